// Where the numbers of a sum over some axes lie, and where it goes: result i sums `terms` numbers. Comes before reduce*.wgsl.

override ADDS: u32 = 0; // 1: results are added to what is there

struct Params {
  count: u32, // results
  terms: u32, // that each sums
  rank: u32,
  inner_rank: u32,
  groups_a_row: u32,
  start: u32,
  // Kept axes and summed axes, innermost first.
  dims: array<vec4u, 2>,
  strides: array<vec4u, 2>,
  inner_dims: array<vec4u, 2>,
  inner_strides: array<vec4u, 2>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;

fn store(i: u32, value: f32) {
  if (ADDS == 1) {
    output[i] += value;
  } else {
    output[i] = value;
  }
}

fn kept_place(i: u32) -> u32 {
  var at = params.start;
  var rest = i;
  for (var axis = 0u; axis < params.rank; axis++) {
    let dim = params.dims[axis / 4][axis % 4];
    at += (rest % dim) * params.strides[axis / 4][axis % 4];
    rest /= dim;
  }
  return at;
}

fn summed_place(i: u32) -> u32 {
  var at = 0u;
  var rest = i;
  for (var axis = 0u; axis < params.inner_rank; axis++) {
    let dim = params.inner_dims[axis / 4][axis % 4];
    at += (rest % dim) * params.inner_strides[axis / 4][axis % 4];
    rest /= dim;
  }
  return at;
}
