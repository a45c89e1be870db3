// The gradients of a layer norm's parameters, summed over the rows in their order:
//
//   dweight[column] += sum of dy · (x - mean) · scale
//   dbias[column]   += sum of dy
//
//   x and dy [rows, columns], statistics [rows] (mean and scale, of layer-norm-backward.wgsl), dweight and dbias
//   [columns]; f32. Dispatch (ceil(columns / 64)).

struct Params {
  rows: u32,
  columns: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read> statistics: array<vec2f>;
@group(0) @binding(4) var<storage, read_write> dweight: array<f32>;
@group(0) @binding(5) var<storage, read_write> dbias: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x;
  if (column >= params.columns) {
    return;
  }
  var sums = vec2f();
  for (var row = 0u; row < params.rows; row++) {
    let at = row * params.columns + column;
    let g = dy[at];
    sums += vec2f(g * (input[at] - statistics[row].x) * statistics[row].y, g);
  }
  dweight[column] += sums.x;
  dbias[column] += sums.y;
}
