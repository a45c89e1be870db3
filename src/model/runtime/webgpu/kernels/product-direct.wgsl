// c[batch, row, column] = finish(Σk a[batch, row, k] · b[batch, k, column]), as product.wgsl, without workgroup memory:
// a thread makes 4 x 4 results and reads what it needs itself. For adapters on which barriers cost more than reading twice.
//
// workgroup_size (8, 8), dispatch (ceil(columns / 32), ceil(rows / 32), batch). Comes after product-operands.wgsl.

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
  var a_place = a_start + rows * params.a.y;
  var sum0 = vec4f();
  var sum1 = vec4f();
  var sum2 = vec4f();
  var sum3 = vec4f();
  for (var k = 0u; k < params.depth; k++) {
    let x = vec4f(a[a_place.x], a[a_place.y], a[a_place.z], a[a_place.w]);
    let w = vec4f(
      b_value(b_start, k, columns.x),
      b_value(b_start, k, columns.y),
      b_value(b_start, k, columns.z),
      b_value(b_start, k, columns.w),
    );
    sum0 += x.x * w;
    sum1 += x.y * w;
    sum2 += x.z * w;
    sum3 += x.w * w;
    a_place += vec4u(params.a.z);
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
