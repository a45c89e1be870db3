// Operands of attention's gradient. Weights are made again from what is kept of each row (FlashAttention's backward pass):
//
//   s[i, j]  = scale · q[i]·k[j] + bias[i, j]
//   w[i, j]  = exp(s[i, j] − top[i]) / Σ exp,   dw[i, j] = dy[i]·v[j],   delta[i] = Σj w[i, j] · dw[i, j]
//   ds[i, j] = w[i, j] · (dw[i, j] − delta[i])
//
//   q and dy [batch, length, heads · D], k and v [batch, total, kvHeads · D] by their strides, bias [1|batch, 1|heads, length, total],
//   statistics [batch, heads, length, 3]: top, 1 / Σ exp, delta.

override HAS_BIAS: u32 = 0;

// Below any score, masked ones too; what is taken from it stays finite.
const LOWEST = -1e38;

struct Params {
  length: u32,
  total: u32,
  head_dim: u32,
  group: u32, // query heads that share a key head
  q: vec4u, // start, stride of batch, stride of row
  k: vec4u,
  v: vec4u,
  dy: vec4u,
  bias: vec4u, // start, strides of batch, head and query
  heads: u32,
  kv_heads: u32,
  batches: u32,
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<f32>;
@group(0) @binding(2) var<storage, read> k: array<f32>;
@group(0) @binding(3) var<storage, read> v: array<f32>;
@group(0) @binding(4) var<storage, read> dy: array<f32>;
@group(0) @binding(5) var<storage, read> statistics: array<f32>;
@group(0) @binding(6) var<storage, read> bias: array<f32>;
@group(0) @binding(7) var<storage, read_write> output: array<f32>;

// Where the row of a query, or of a key, starts in the results.
fn query_place(batch: u32, row: u32, head: u32) -> u32 {
  return ((batch * params.length + row) * params.heads + head) * params.head_dim;
}

fn key_place(batch: u32, row: u32, kv_head: u32) -> u32 {
  return ((batch * params.total + row) * params.kv_heads + kv_head) * params.head_dim;
}

fn statistics_place(batch: u32, head: u32, row: u32) -> u32 {
  return 3 * ((batch * params.heads + head) * params.length + row);
}

fn bias_at(batch: u32, head: u32, row: u32, key: u32) -> f32 {
  return bias[params.bias.x + batch * params.bias.y + head * params.bias.z + row * params.bias.w + key];
}
