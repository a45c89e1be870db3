// Rotary embedding, rotate-half layout: x [batch, length, heads · 2 · half], tables [length, half].
//
// workgroup_size 64, dispatch flat over batch · length · heads · half; a thread turns one pair.

struct Params {
  count: u32,
  threads_a_row: u32,
  length: u32,
  heads: u32,
  half: u32,
  x_start: u32,
  x_batch: u32, // strides
  x_row: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> cos_table: array<f32>;
@group(0) @binding(3) var<storage, read> sin_table: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.y * params.threads_a_row + id.x;
  if (i >= params.count) {
    return;
  }
  let half = i % params.half;
  let head = (i / params.half) % params.heads;
  let row = i / params.half / params.heads;
  let position = row % params.length;
  let origin = params.x_start + (row / params.length) * params.x_batch + position * params.x_row + head * 2 * params.half + half;
  let to = (row * params.heads + head) * 2 * params.half + half;
  let a = x[origin];
  let b = x[origin + params.half];
  let c = cos_table[position * params.half + half];
  let s = sin_table[position * params.half + half];
  y[to] = a * c - b * s;
  y[to + params.half] = b * c + a * s;
}
