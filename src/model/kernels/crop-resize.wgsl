// Bilinear sampling of a box, as tf.image.crop_and_resize on an image in 0…1, and back to bytes.
//
//   x = in / 255;  out = trunc(clamp(lerp(lerp(x), lerp(x)), 0, 1) · 255.5)
//
// positions: the input coordinate of every output column, then of every output row.
// Dispatch (ceil(width / 8), ceil(height / 8)) of the output.

struct Params {
  width: u32, // of the output
  height: u32,
  input_width: u32,
  input_height: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> positions: array<f32>;
@group(0) @binding(2) var<storage, read> input: array<u32>;
@group(0) @binding(3) var<storage, read_write> output: array<u32>;

fn color(x: f32, y: f32) -> vec3f {
  let column = min(u32(x), params.input_width - 1);
  let row = min(u32(y), params.input_height - 1);
  let pixel = input[row * params.input_width + column];
  return vec3f(vec3u(pixel & 255, (pixel >> 8) & 255, (pixel >> 16) & 255)) * (1 / 255f);
}

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.width || id.y >= params.height) {
    return;
  }
  let x = positions[id.x];
  let y = positions[params.width + id.y];
  let across = x - floor(x);
  let down = y - floor(y);
  let top_left = color(floor(x), floor(y));
  let top = top_left + (color(ceil(x), floor(y)) - top_left) * across;
  let bottom_left = color(floor(x), ceil(y));
  let bottom = bottom_left + (color(ceil(x), ceil(y)) - bottom_left) * across;
  let value = clamp(top + (bottom - top) * down, vec3f(0), vec3f(1));
  let byte = min(vec3u(value * 255.5), vec3u(255));
  output[id.y * params.width + id.x] = byte.r | (byte.g << 8) | (byte.b << 16) | (255u << 24);
}
