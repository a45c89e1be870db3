// c[batch, row, column] = finish(Σk a[batch, row, k] · b[batch, k, column])
//
// Every operand by its strides, so that transposes and broadcasts cost nothing; b may be a packed weight, q4 or q8.
// A workgroup makes a tile of TILE_ROWS x TILE_COLUMNS results, each of its threads 4 x 4; the inner axis is walked DEPTH at a time
// through workgroup memory.
//
// workgroup_size (TILE_COLUMNS / 4, TILE_ROWS / 4), dispatch (ceil(columns / TILE_COLUMNS), ceil(rows / TILE_ROWS), batch).
// Comes after product-operands.wgsl.

override TILE_ROWS: u32 = 32;
override TILE_COLUMNS: u32 = 32;
override DEPTH: u32 = 16;
override GROUP_X: u32 = 8; // TILE_COLUMNS / 4
override GROUP_Y: u32 = 8; // TILE_ROWS / 4

// [DEPTH][row] and [DEPTH][column], one element of padding a line against bank conflicts.
var<workgroup> a_tile: array<f32, (TILE_ROWS + 1) * DEPTH>;
var<workgroup> b_tile: array<f32, (TILE_COLUMNS + 1) * DEPTH>;

@compute @workgroup_size(GROUP_X, GROUP_Y)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  let first_row = group.y * TILE_ROWS;
  let first_column = group.x * TILE_COLUMNS;
  let threads = GROUP_X * GROUP_Y;
  let a_start = params.a.x + batch_start(group.z, params.a_batch);
  let b_start = params.b.x + batch_start(group.z, params.b_batch);
  var sum0 = vec4f();
  var sum1 = vec4f();
  var sum2 = vec4f();
  var sum3 = vec4f();

  for (var start = 0u; start < params.depth; start += DEPTH) {
    for (var i = index; i < TILE_ROWS * DEPTH; i += threads) {
      let row = select(i / DEPTH, i % TILE_ROWS, A_BY_ROW == 1);
      let k = select(i % DEPTH, i / TILE_ROWS, A_BY_ROW == 1);
      var value = 0f;
      if (first_row + row < params.rows && start + k < params.depth) {
        value = a[a_start + (first_row + row) * params.a.y + (start + k) * params.a.z];
      }
      a_tile[k * (TILE_ROWS + 1) + row] = value;
    }
    for (var i = index; i < TILE_COLUMNS * DEPTH; i += threads) {
      let column = select(i / DEPTH, i % TILE_COLUMNS, B_BY_COLUMN == 1);
      let k = select(i % DEPTH, i / TILE_COLUMNS, B_BY_COLUMN == 1);
      var value = 0f;
      if (first_column + column < params.columns && start + k < params.depth) {
        value = b_value(b_start, start + k, first_column + column);
      }
      b_tile[k * (TILE_COLUMNS + 1) + column] = value;
    }
    workgroupBarrier();
    for (var k = 0u; k < DEPTH; k++) {
      let x = k * (TILE_ROWS + 1) + local.y * 4;
      let w = k * (TILE_COLUMNS + 1) + local.x * 4;
      let columns = vec4f(b_tile[w], b_tile[w + 1], b_tile[w + 2], b_tile[w + 3]);
      sum0 += a_tile[x] * columns;
      sum1 += a_tile[x + 1] * columns;
      sum2 += a_tile[x + 2] * columns;
      sum3 += a_tile[x + 3] * columns;
    }
    workgroupBarrier();
  }

  // One place where results are finished: what is fused is compiled once.
  var sums = array<vec4f, 4>(sum0, sum1, sum2, sum3);
  for (var i = 0u; i < 16; i++) {
    let row = first_row + local.y * 4 + i / 4;
    let column = first_column + local.x * 4 + i % 4;
    if (row < params.rows && column < params.columns) {
      let at = (group.z * params.rows + row) * params.columns + column;
      c[at] = finish(sums[i / 4][i % 4], at, column);
    }
  }
}
