// sums[column] += sum over the rows of source[row, column], in the order of the rows.
//
//   source [rows, columns], sums [columns]; f32. Dispatch (ceil(columns / 64)).

struct Params {
  rows: u32,
  columns: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> source: array<f32>;
@group(0) @binding(2) var<storage, read_write> sums: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x;
  if (column >= params.columns) {
    return;
  }
  var sum = 0f;
  for (var row = 0u; row < params.rows; row++) {
    sum += source[row * params.columns + column];
  }
  sums[column] += sum;
}
