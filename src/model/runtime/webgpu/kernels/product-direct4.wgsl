// As product-direct.wgsl, four numbers at a time: a thread makes 4 x 4 results, and each operand is read along its axis of stride 1.
// All sizes along those axes, and all other strides, are multiples of 4; so is the depth.
//
// workgroup_size (8, 8), dispatch (ceil(columns / 32), ceil(rows / 32), batch). Comes after product-params.wgsl.

@group(0) @binding(1) var<storage, read> a: array<vec4f>;
@group(0) @binding(2) var<storage, read> b: array<u32>;

// Four neighbouring numbers of b from `place` on; of a packed weight, from (row, inner) on.
fn b_four(place: u32) -> vec4f {
  return bitcast<vec4f>(vec4u(b[place], b[place + 1], b[place + 2], b[place + 3]));
}

fn b_packed(row: u32, inner: u32) -> vec4f {
  let block = row * params.blocks + inner / 32;
  if (BITS == 8) {
    return (vec4f(unpack4xU8(b[block * 8 + (inner % 32) / 4])) - 128) * scale_of(block);
  }
  let word = b[block * 4 + (inner % 32) / 8] >> (4 * (inner % 8));
  return (vec4f((vec4u(word) >> vec4u(0, 4, 8, 12)) & vec4u(15)) - 8) * scale_of(block);
}

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let first_row = id.y * 4;
  let first_column = id.x * 4;
  if (first_row >= params.rows || first_column >= params.columns) {
    return;
  }
  // Rows and columns past the end are read at the last one, and not stored.
  let a_start = params.a.x + batch_start(id.z, params.a_batch);
  let b_start = params.b.x + batch_start(id.z, params.b_batch);
  let rows = min(vec4u(first_row) + vec4u(0, 1, 2, 3), vec4u(params.rows - 1));
  let columns = min(vec4u(first_column) + vec4u(0, 1, 2, 3), vec4u(params.columns - 1));
  let a_rows = (a_start + rows * params.a.y) / 4;
  let b_columns = b_start + columns * params.b.z;
  var sum0 = vec4f();
  var sum1 = vec4f();
  var sum2 = vec4f();
  var sum3 = vec4f();
  for (var k = 0u; k < params.depth; k += 4) {
    // x: a column a row, over k.  w: a column a k, over columns.
    var x: mat4x4f;
    if (A_BY_ROW == 1) {
      let place = (a_start + first_row + k * params.a.z) / 4;
      let step = params.a.z / 4;
      x = transpose(mat4x4f(a[place], a[place + step], a[place + 2 * step], a[place + 3 * step]));
    } else {
      x = mat4x4f(a[a_rows.x + k / 4], a[a_rows.y + k / 4], a[a_rows.z + k / 4], a[a_rows.w + k / 4]);
    }
    var w: mat4x4f;
    if (BITS == 32) {
      if (B_BY_COLUMN == 1) {
        let place = b_start + first_column + k * params.b.y;
        let step = params.b.y;
        w = mat4x4f(b_four(place), b_four(place + step), b_four(place + 2 * step), b_four(place + 3 * step));
      } else {
        w = transpose(mat4x4f(b_four(b_columns.x + k), b_four(b_columns.y + k), b_four(b_columns.z + k), b_four(b_columns.w + k)));
      }
    } else if (BY_ROW == 1) {
      w = mat4x4f(b_packed(k, first_column), b_packed(k + 1, first_column), b_packed(k + 2, first_column), b_packed(k + 3, first_column));
    } else {
      w = transpose(mat4x4f(b_packed(columns.x, k), b_packed(columns.y, k), b_packed(columns.z, k), b_packed(columns.w, k)));
    }
    sum0 += w * x[0];
    sum1 += w * x[1];
    sum2 += w * x[2];
    sum3 += w * x[3];
  }
  var sums = array<vec4f, 4>(sum0, sum1, sum2, sum3);
  for (var i = 0u; i < 16; i++) {
    let row = first_row + i / 4;
    let column = first_column + i % 4;
    if (row < params.rows && column < params.columns) {
      let at = (id.z * params.rows + row) * params.columns + column;
      store(at, finish(sums[i / 4][i % 4], at, column));
    }
  }
}
