// y = activation(x · Wᵀ + b) + r
//
//   x [rows, depth], W [columns, depth], b [columns], r and y [rows, columns]; f32, row-major.
//
// A workgroup makes a tile of TILE_ROWS x 32 outputs, each thread 4 x 4 of them. The inner dimension is walked
// DEPTH at a time; SLICES groups of threads share each step and their sums are added at the end, which keeps
// a GPU busy when there are few rows.
//
// workgroup_size (8, TILE_ROWS / 4, SLICES), dispatch (ceil(columns / 32), ceil(rows / TILE_ROWS)).
// Comes after erf.wgsl.

const TILE_COLUMNS = 32u;

override TILE_ROWS: u32 = 32; // multiple of 4
override GROUP_ROWS: u32 = 8; // TILE_ROWS / 4
override SLICES: u32 = 4; // power of two, at least 2
override DEPTH: u32 = 16; // multiple of SLICES

// What differs between layers is uniform, not `override`: every set of overrides is a pipeline to compile.
struct Params {
  rows: u32,
  columns: u32,
  depth: u32,
  activation: u32, // 0 none, 1 ReLU, 2 GELU (erf form)
  has_bias: u32,
  has_residual: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

// Tiles are stored [depth][row], one element of padding per line against bank conflicts.
var<workgroup> input_tile: array<f32, (TILE_ROWS + 1) * DEPTH>;
var<workgroup> weight_tile: array<f32, (TILE_COLUMNS + 1) * DEPTH>;
// [SLICES / 2][threads of a slice][4]
var<workgroup> partial: array<vec4f, SLICES * GROUP_ROWS * 16>;

fn activate(x: f32) -> f32 {
  switch params.activation {
    case 1: {
      return max(x, 0);
    }
    case 2: {
      return 0.5 * x * (1 + erf(x * 0.70710678));
    }
    default: {
      return x;
    }
  }
}

@compute @workgroup_size(8, GROUP_ROWS, SLICES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  let first_row = group.y * TILE_ROWS;
  let first_column = group.x * TILE_COLUMNS;
  let threads = 8 * GROUP_ROWS * SLICES;
  let share = DEPTH / SLICES;
  var sums = array<vec4f, 4>();

  for (var start = 0u; start < params.depth; start += DEPTH) {
    for (var i = index; i < TILE_ROWS * DEPTH; i += threads) {
      let row = i / DEPTH;
      let k = i % DEPTH;
      var value = 0f;
      if (first_row + row < params.rows && start + k < params.depth) {
        value = input[(first_row + row) * params.depth + start + k];
      }
      input_tile[k * (TILE_ROWS + 1) + row] = value;
    }
    for (var i = index; i < TILE_COLUMNS * DEPTH; i += threads) {
      let column = i / DEPTH;
      let k = i % DEPTH;
      var value = 0f;
      if (first_column + column < params.columns && start + k < params.depth) {
        value = weight[(first_column + column) * params.depth + start + k];
      }
      weight_tile[k * (TILE_COLUMNS + 1) + column] = value;
    }
    workgroupBarrier();
    for (var step = 0u; step < share; step++) {
      let k = local.z * share + step;
      let x = k * (TILE_ROWS + 1) + local.y * 4;
      let w = k * (TILE_COLUMNS + 1) + local.x * 4;
      let column = vec4f(weight_tile[w], weight_tile[w + 1], weight_tile[w + 2], weight_tile[w + 3]);
      sums[0] += input_tile[x] * column;
      sums[1] += input_tile[x + 1] * column;
      sums[2] += input_tile[x + 2] * column;
      sums[3] += input_tile[x + 3] * column;
    }
    workgroupBarrier();
  }

  let slot = (local.y * 8 + local.x) * 4;
  let slice_size = GROUP_ROWS * 32;
  for (var half = SLICES / 2; half > 0; half /= 2) {
    if (local.z >= half && local.z < 2 * half) {
      for (var i = 0u; i < 4; i++) {
        partial[(local.z - half) * slice_size + slot + i] = sums[i];
      }
    }
    workgroupBarrier();
    if (local.z < half) {
      for (var i = 0u; i < 4; i++) {
        sums[i] += partial[local.z * slice_size + slot + i];
      }
    }
    workgroupBarrier();
  }
  if (local.z != 0) {
    return;
  }

  for (var i = 0u; i < 4; i++) {
    let row = first_row + local.y * 4 + i;
    for (var j = 0u; j < 4; j++) {
      let column = first_column + local.x * 4 + j;
      if (row < params.rows && column < params.columns) {
        let at = row * params.columns + column;
        var value = sums[i][j];
        if (params.has_bias != 0) {
          value += bias[column];
        }
        value = activate(value);
        if (params.has_residual != 0) {
          value += residual[at];
        }
        output[at] = value;
      }
    }
  }
}
