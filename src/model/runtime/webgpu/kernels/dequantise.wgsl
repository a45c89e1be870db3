// A packed weight [rows, width] in float32.  workgroup_size 64, dispatch flat over results. Comes before packed-scales.wgsl.

override BITS: u32 = 8;

struct Params {
  count: u32,
  threads_a_row: u32,
  width: u32,
  blocks: u32, // a row
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> codes: array<u32>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.y * params.threads_a_row + id.x;
  if (i >= params.count) {
    return;
  }
  let k = i % params.width;
  let block = (i / params.width) * params.blocks + k / 32;
  if (BITS == 8) {
    let code = (codes[block * 8 + (k % 32) / 4] >> (8 * (k % 4))) & 255;
    output[i] = (f32(code) - 128) * scale_of(block);
  } else {
    let code = (codes[block * 4 + (k % 32) / 8] >> (4 * (k % 8))) & 15;
    output[i] = (f32(code) - 8) * scale_of(block);
  }
}
