// TensorFlow's antialiased resize with f32 weights: rows first, unrounded, then columns, rounded to bytes.
//
//   middle [height, input_width] = sum_k in[start + k, x] · w[k]
//   out [height, width]          = round(clamp(sum_k middle[y, start + k] · w[k], 0, 255)), ties to even
//
// Two entry points, one dispatch each over their own output in workgroups of 8 x 8.

struct Params {
  width: u32, // of this pass's output
  height: u32,
  input_width: u32,
  taps: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> spans: array<vec2u>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;

@group(0) @binding(3) var<storage, read> input: array<u32>;
@group(0) @binding(4) var<storage, read_write> middle_out: array<vec4f>;

@compute @workgroup_size(8, 8)
fn rows(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.width || id.y >= params.height) {
    return;
  }
  let span = spans[id.y];
  var sum = vec3f();
  for (var k = 0u; k < span.y; k++) {
    let pixel = input[(span.x + k) * params.input_width + id.x];
    let channels = vec3f(vec3u(pixel & 255, (pixel >> 8) & 255, (pixel >> 16) & 255));
    sum += channels * weights[id.y * params.taps + k];
  }
  middle_out[id.y * params.width + id.x] = vec4f(sum, 255);
}

@group(0) @binding(3) var<storage, read> middle: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(8, 8)
fn columns(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.width || id.y >= params.height) {
    return;
  }
  let span = spans[id.x];
  var sum = vec3f();
  for (var k = 0u; k < span.y; k++) {
    sum += middle[id.y * params.input_width + span.x + k].rgb * weights[id.x * params.taps + k];
  }
  let byte = vec3u(clamp(round(sum), vec3f(0), vec3f(255)));
  output[id.y * params.width + id.x] = byte.r | (byte.g << 8) | (byte.b << 16) | (255u << 24);
}
