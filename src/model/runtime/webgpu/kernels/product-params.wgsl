// What every product knows of its operands. Comes after finish.wgsl.

override BITS: u32 = 32; // 4 and 8: b is packed along its axis of stride 1
override BY_ROW: u32 = 0; // packed: 0 where k runs along the packed axis (x · Wᵀ), 1 where columns do (dy · W)
override A_BY_ROW: u32 = 0; // 1 where rows, and not k, have stride 1: neighbouring threads load along it
override ADDS: u32 = 0; // 1: results are added to what is there
override B_BY_COLUMN: u32 = 0; // 1 where columns, and not k, have stride 1

struct Params {
  rows: u32,
  columns: u32,
  depth: u32,
  blocks: u32, // of 32 codes in a packed row
  a: vec4u, // start, stride of row, stride of k
  b: vec4u, // start, stride of k, stride of column
  batch: vec4u, // up to three axes, innermost first
  a_batch: vec4u,
  b_batch: vec4u,
  finish: Finish,
}

@group(0) @binding(0) var<uniform> params: Params;

@group(0) @binding(3) var<storage, read> scales: array<u32>;
@group(0) @binding(8) var<storage, read_write> c: array<f32>;

fn store(at: u32, value: f32) {
  if (ADDS == 1) {
    c[at] += value;
  } else {
    c[at] = value;
  }
}

fn batch_start(batch: u32, steps: vec4u) -> u32 {
  let x = batch % params.batch.x;
  let rest = batch / params.batch.x;
  return x * steps.x + (rest % params.batch.y) * steps.y + (rest / params.batch.y) * steps.z;
}
