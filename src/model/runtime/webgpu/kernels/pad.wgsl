// Zeros before and after along one axis.  workgroup_size 64, dispatch flat over results.

struct Params {
  count: u32,
  threads_a_row: u32,
  start: u32, // of the input
  inner: u32, // elements after the axis
  dim: u32, // of the axis, padded
  before: u32,
  source_dim: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.y * params.threads_a_row + id.x;
  if (i >= params.count) {
    return;
  }
  let inner = i % params.inner;
  let along = (i / params.inner) % params.dim;
  let outer = i / params.inner / params.dim;
  var value = 0f;
  if (along >= params.before && along < params.before + params.source_dim) {
    value = input[params.start + (outer * params.source_dim + along - params.before) * params.inner + inner];
  }
  output[i] = value;
}
