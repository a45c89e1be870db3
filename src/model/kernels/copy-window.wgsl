// Cuts a window out of an image, or sets the image into a larger one; outside of it lies `fill`.
//
//   out[y, x] = in[y + top, x + left], or fill
//
// Dispatch (ceil(width / 8), ceil(height / 8)) of the output.

struct Params {
  width: u32, // of the output
  height: u32,
  input_width: u32,
  input_height: u32,
  left: i32,
  top: i32,
  fill: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<u32>;
@group(0) @binding(2) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.width || id.y >= params.height) {
    return;
  }
  let x = i32(id.x) + params.left;
  let y = i32(id.y) + params.top;
  var pixel = params.fill;
  if (x >= 0 && y >= 0 && x < i32(params.input_width) && y < i32(params.input_height)) {
    pixel = input[u32(y) * params.input_width + u32(x)];
  }
  output[id.y * params.width + id.x] = pixel | (255u << 24);
}
