// Bytes to the planes a vision transformer takes: out[offset + c, y, x] = (in[y, x, c] / 255 - mean[c]) / std[c].
//
// Planes of f32, red first. Flat over pixels; dispatch (ceil(count / 64)).

struct Params {
  count: u32, // pixels
  offset: u32, // of the first plane in the output, in floats
  mean_r: f32,
  mean_g: f32,
  mean_b: f32,
  std_r: f32,
  std_g: f32,
  std_b: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<u32>;
@group(0) @binding(2) var<storage, read_write> planes: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.x;
  if (i >= params.count) {
    return;
  }
  let pixel = input[i];
  let channels = vec3f(vec3u(pixel & 255, (pixel >> 8) & 255, (pixel >> 16) & 255)) / 255;
  let mean = vec3f(params.mean_r, params.mean_g, params.mean_b);
  let value = (channels - mean) / vec3f(params.std_r, params.std_g, params.std_b);
  planes[params.offset + i] = value.r;
  planes[params.offset + params.count + i] = value.g;
  planes[params.offset + 2 * params.count + i] = value.b;
}
