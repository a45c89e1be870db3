// Operands of attention.
//
//   q [batch, length, heads · D], k and v [batch, total, kvHeads · D] by their strides, bias [1|batch, 1|heads, length, total].

override HAS_BIAS: u32 = 0;

// Below any score, masked ones too; what is taken from it stays finite, which WGSL does not promise to compute with otherwise.
const LOWEST = -1e38;

struct Params {
  length: u32,
  total: u32,
  head_dim: u32,
  group: u32, // query heads that share a key head
  q: vec4u, // start, stride of batch, stride of row
  k: vec4u,
  v: vec4u,
  bias: vec4u, // start, strides of batch, head and query
  width: u32, // of a row of y
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<f32>;
@group(0) @binding(2) var<storage, read> k: array<f32>;
@group(0) @binding(3) var<storage, read> v: array<f32>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;
