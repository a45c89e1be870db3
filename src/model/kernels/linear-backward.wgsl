// The gradients of y = x · Wᵀ + b, one of two matrix products over the same operands:
//
//   OF_WEIGHT false   dx  = dy · W      rows M, depth N, columns K
//   OF_WEIGHT true    dW += dyᵀ · x     rows N, depth M, columns K
//
//   x [M, K], W [N, K], dy [M, N]; f32, row-major. `left` is dy, `right` W or x, both [depth, columns].
//
// Tiles and slices as in linear.wgsl: TILE_ROWS x 32 outputs a workgroup, 4 x 4 a thread.
//
// workgroup_size (8, TILE_ROWS / 4, SLICES), dispatch (ceil(columns / 32), ceil(rows / TILE_ROWS)).

const TILE_COLUMNS = 32u;

override TILE_ROWS: u32 = 32; // multiple of 4
override GROUP_ROWS: u32 = 8; // TILE_ROWS / 4
override SLICES: u32 = 4; // power of two
override DEPTH: u32 = 16; // multiple of SLICES
override OF_WEIGHT: bool = false;

struct Params {
  rows: u32,
  columns: u32,
  depth: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> left: array<f32>;
@group(0) @binding(2) var<storage, read> right: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;

// Tiles are stored [depth][row or column], one element of padding per line against bank conflicts.
var<workgroup> left_tile: array<f32, (TILE_ROWS + 1) * DEPTH>;
var<workgroup> right_tile: array<f32, (TILE_COLUMNS + 1) * DEPTH>;
// [SLICES / 2][threads of a slice][4]
var<workgroup> partial: array<vec4f, SLICES * GROUP_ROWS * 16>;

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
      // Neighbouring threads load neighbouring elements, whichever way dy is read.
      let row = select(i / DEPTH, i % TILE_ROWS, OF_WEIGHT);
      let k = select(i % DEPTH, i / TILE_ROWS, OF_WEIGHT);
      var value = 0f;
      if (first_row + row < params.rows && start + k < params.depth) {
        value = left[select(
          (first_row + row) * params.depth + start + k,
          (start + k) * params.rows + first_row + row,
          OF_WEIGHT,
        )];
      }
      left_tile[k * (TILE_ROWS + 1) + row] = value;
    }
    for (var i = index; i < TILE_COLUMNS * DEPTH; i += threads) {
      let column = i % TILE_COLUMNS;
      let k = i / TILE_COLUMNS;
      var value = 0f;
      if (first_column + column < params.columns && start + k < params.depth) {
        value = right[(start + k) * params.columns + first_column + column];
      }
      right_tile[k * (TILE_COLUMNS + 1) + column] = value;
    }
    workgroupBarrier();
    for (var step = 0u; step < share; step++) {
      let k = local.z * share + step;
      let l = k * (TILE_ROWS + 1) + local.y * 4;
      let r = k * (TILE_COLUMNS + 1) + local.x * 4;
      let column = vec4f(right_tile[r], right_tile[r + 1], right_tile[r + 2], right_tile[r + 3]);
      sums[0] += left_tile[l] * column;
      sums[1] += left_tile[l + 1] * column;
      sums[2] += left_tile[l + 2] * column;
      sums[3] += left_tile[l + 3] * column;
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
        if (OF_WEIGHT) {
          output[at] += sums[i][j];
        } else {
          output[at] = sums[i][j];
        }
      }
    }
  }
}
