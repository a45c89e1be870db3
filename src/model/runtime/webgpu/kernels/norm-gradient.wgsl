// The gradient of a norm's input, row by row over the last axis. With n = (x − mean) / √(var + eps) (mean 0 for rmsNorm) and
// g = dy · weight:
//   KIND 1: (g − mean(g) − n · mean(g · n)) / √(var + eps)       (layerNorm)
//   KIND 2: (g − n · mean(g · n)) / √(mean(x²) + eps)            (rmsNorm)
//
// workgroup_size THREADS, a workgroup a row; dispatch flat over rows. Comes after norm-gradient-operands.wgsl.

override THREADS: u32 = 64; // power of two

var<workgroup> partial: array<f32, THREADS>;

fn added(value: f32, index: u32) -> f32 {
  partial[index] = value;
  workgroupBarrier();
  for (var half = THREADS / 2; half > 0; half /= 2) {
    if (index < half) {
      partial[index] += partial[index + half];
    }
    workgroupBarrier();
  }
  let result = partial[0];
  workgroupBarrier();
  return result;
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let row = group.y * params.groups_a_row + group.x;
  if (row >= params.rows) {
    return;
  }
  let start = row * params.width;
  let width = f32(params.width);
  var mean = 0f;
  if (KIND == 1) {
    var sum = 0f;
    for (var i = index; i < params.width; i += THREADS) {
      sum += x[start + i];
    }
    mean = added(sum, index) / width;
  }
  var squares = 0f;
  for (var i = index; i < params.width; i += THREADS) {
    let value = x[start + i] - mean;
    squares += value * value;
  }
  let scale = 1 / sqrt(added(squares, index) / width + params.eps);
  var level = 0f;
  var along = 0f;
  for (var i = index; i < params.width; i += THREADS) {
    let gradient = dy[start + i] * weight[i];
    level += gradient;
    along += gradient * (x[start + i] - mean) * scale;
  }
  along = added(along, index) / width;
  if (KIND == 1) {
    level = added(level, index) / width;
  } else {
    level = 0;
  }
  for (var i = index; i < params.width; i += THREADS) {
    store(start + i, scale * (dy[start + i] * weight[i] - level - (x[start + i] - mean) * scale * along));
  }
}
