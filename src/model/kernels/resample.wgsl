// One pass of Pillow's resize, along one axis, in its fixed-point arithmetic: exact to the bit.
//
//   out = clamp((2^21 + sum_k in[start + k] · w[k]) >> 22, 0, 255), per colour channel
//
// Images are one u32 a pixel. spans[i] = (start, count) and weights[i * taps …] belong to output position i of
// the axis. Dispatch (ceil(width / 8), ceil(height / 8)) of the output.

override VERTICAL: bool = false;

struct Params {
  width: u32, // of the output
  height: u32,
  input_width: u32,
  taps: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> spans: array<vec2u>;
@group(0) @binding(2) var<storage, read> weights: array<i32>;
@group(0) @binding(3) var<storage, read> input: array<u32>;
@group(0) @binding(4) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.width || id.y >= params.height) {
    return;
  }
  let position = select(id.x, id.y, VERTICAL);
  let span = spans[position];
  let first = select(id.y * params.input_width + span.x, span.x * params.input_width + id.x, VERTICAL);
  let stride = select(1u, params.input_width, VERTICAL);
  var sum = vec3i(1 << 21);
  for (var k = 0u; k < span.y; k++) {
    let pixel = input[first + k * stride];
    let channels = vec3i(i32(pixel & 255), i32((pixel >> 8) & 255), i32((pixel >> 16) & 255));
    sum += channels * weights[position * params.taps + k];
  }
  let byte = vec3u(clamp(sum >> vec3u(22), vec3i(0), vec3i(255)));
  output[id.y * params.width + id.x] = byte.r | (byte.g << 8) | (byte.b << 16) | (255u << 24);
}
