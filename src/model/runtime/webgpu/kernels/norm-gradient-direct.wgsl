// As norm-gradient.wgsl, a thread a row: for adapters on which barriers cost more than lines of memory.
//
// workgroup_size 32, dispatch flat over rows / 32. Comes after norm-gradient-operands.wgsl.

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let row = (group.y * params.groups_a_row + group.x) * 32 + index;
  if (row >= params.rows) {
    return;
  }
  let start = row * params.width;
  let width = f32(params.width);
  var mean = 0f;
  if (KIND == 1) {
    for (var i = 0u; i < params.width; i++) {
      mean += x[start + i];
    }
    mean /= width;
  }
  var squares = 0f;
  for (var i = 0u; i < params.width; i++) {
    let value = x[start + i] - mean;
    squares += value * value;
  }
  let scale = 1 / sqrt(squares / width + params.eps);
  var level = 0f;
  var along = 0f;
  for (var i = 0u; i < params.width; i++) {
    let gradient = dy[start + i] * weight[i];
    level += gradient;
    along += gradient * (x[start + i] - mean) * scale;
  }
  along /= width;
  level = select(0f, level / width, KIND == 1);
  for (var i = 0u; i < params.width; i++) {
    store(start + i, scale * (dy[start + i] * weight[i] - level - (x[start + i] - mean) * scale * along));
  }
}
