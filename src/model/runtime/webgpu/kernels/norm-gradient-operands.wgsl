// Operands of the gradient of a norm: x, dy, rest and dx [rows, width], weight [width].

override KIND: u32 = 1; // 1 layerNorm, 2 rmsNorm
override HAS_REST: u32 = 0; // 1: `rest`, the gradient that goes past the norm, is added

struct Params {
  rows: u32,
  width: u32,
  groups_a_row: u32, // of the dispatch
  eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read> rest: array<f32>;
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;

fn store(at: u32, value: f32) {
  if (HAS_REST == 1) {
    dx[at] = value + rest[at];
  } else {
    dx[at] = value;
  }
}
