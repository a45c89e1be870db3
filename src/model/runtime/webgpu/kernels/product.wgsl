// c[batch, row, column] = finish(Σk a[batch, row, k] · b[batch, k, column])
//
// Every operand by its strides, so that transposes and broadcasts cost nothing; b may be a packed weight, q4 or q8.
// A workgroup makes a tile of TILE_ROWS x TILE_COLUMNS results, each of its threads 8 x 4 in registers; k is walked 16 at a time
// through workgroup memory, which is filled by blocks of 4 x 4 so that it can be read four numbers at once.
//
// dispatch (ceil(columns / TILE_COLUMNS), ceil(rows / TILE_ROWS), batch). Comes after product-operands.wgsl.

override TILE_ROWS: u32 = 128; // multiple of 8
override TILE_COLUMNS: u32 = 64; // multiple of 4

const DEPTH = 16u;

// [k][row / 4] and [k][column / 4]
var<workgroup> a_tile: array<vec4f, 4 * TILE_ROWS>;
var<workgroup> b_tile: array<vec4f, 4 * TILE_COLUMNS>;

fn a_value(start: u32, row: u32, k: u32) -> f32 {
  if (row < params.rows && k < params.depth) {
    return a[start + row * params.a.y + k * params.a.z];
  }
  return 0;
}

fn b_inside(start: u32, k: u32, column: u32) -> f32 {
  if (column < params.columns && k < params.depth) {
    return b_value(start, k, column);
  }
  return 0;
}

@compute @workgroup_size(TILE_COLUMNS / 4, TILE_ROWS / 8)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  let first_row = group.y * TILE_ROWS;
  let first_column = group.x * TILE_COLUMNS;
  let threads = TILE_COLUMNS * TILE_ROWS / 32;
  let row_blocks = TILE_ROWS / 4;
  let column_blocks = TILE_COLUMNS / 4;
  let a_start = params.a.x + batch_start(group.z, params.a_batch);
  let b_start = params.b.x + batch_start(group.z, params.b_batch);
  var s0 = vec4f();
  var s1 = vec4f();
  var s2 = vec4f();
  var s3 = vec4f();
  var s4 = vec4f();
  var s5 = vec4f();
  var s6 = vec4f();
  var s7 = vec4f();

  for (var start = 0u; start < params.depth; start += DEPTH) {
    // Neighbouring threads take neighbouring blocks along the axis of stride 1.
    for (var i = index; i < TILE_ROWS; i += threads) {
      let block = select(i / 4, i % row_blocks, A_BY_ROW == 1);
      let first_k = 4 * select(i % 4, i / row_blocks, A_BY_ROW == 1);
      let row = first_row + 4 * block;
      for (var k = first_k; k < first_k + 4; k++) {
        a_tile[k * row_blocks + block] = vec4f(
          a_value(a_start, row, start + k),
          a_value(a_start, row + 1, start + k),
          a_value(a_start, row + 2, start + k),
          a_value(a_start, row + 3, start + k),
        );
      }
    }
    for (var i = index; i < TILE_COLUMNS; i += threads) {
      let block = select(i / 4, i % column_blocks, B_BY_COLUMN == 1);
      let first_k = 4 * select(i % 4, i / column_blocks, B_BY_COLUMN == 1);
      let column = first_column + 4 * block;
      for (var k = first_k; k < first_k + 4; k++) {
        b_tile[k * column_blocks + block] = vec4f(
          b_inside(b_start, start + k, column),
          b_inside(b_start, start + k, column + 1),
          b_inside(b_start, start + k, column + 2),
          b_inside(b_start, start + k, column + 3),
        );
      }
    }
    workgroupBarrier();
    for (var k = 0u; k < DEPTH; k++) {
      let w = b_tile[k * column_blocks + local.x];
      let x = a_tile[k * row_blocks + 2 * local.y];
      let z = a_tile[k * row_blocks + 2 * local.y + 1];
      s0 += x.x * w;
      s1 += x.y * w;
      s2 += x.z * w;
      s3 += x.w * w;
      s4 += z.x * w;
      s5 += z.y * w;
      s6 += z.z * w;
      s7 += z.w * w;
    }
    workgroupBarrier();
  }

  // One place where results are finished: what is fused is compiled once.
  var sums = array<vec4f, 8>(s0, s1, s2, s3, s4, s5, s6, s7);
  for (var i = 0u; i < 32; i++) {
    let row = first_row + local.y * 8 + i / 4;
    let column = first_column + local.x * 4 + i % 4;
    if (row < params.rows && column < params.columns) {
      let at = (group.z * params.rows + row) * params.columns + column;
      store(at, finish(sums[i / 4][i % 4], at, column));
    }
  }
}
