// Row by row over the last axis:
//   KIND 0: exp(x − max) / Σ exp(x − max)                  (softmax)
//   KIND 1: (x − mean) / √(var + eps) · weight + bias       (layerNorm)
//   KIND 2: x / √(mean(x²) + eps) · weight                  (rmsNorm)
//
// workgroup_size THREADS, a workgroup a row; dispatch flat over rows.

override KIND: u32 = 0;
override THREADS: u32 = 64; // power of two

struct Params {
  rows: u32,
  width: u32,
  groups_a_row: u32, // of the dispatch
  eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

var<workgroup> partial: array<f32, THREADS>;

fn combined(value: f32, index: u32, largest: bool) -> f32 {
  partial[index] = value;
  workgroupBarrier();
  for (var half = THREADS / 2; half > 0; half /= 2) {
    if (index < half) {
      let other = partial[index + half];
      partial[index] = select(partial[index] + other, max(partial[index], other), largest);
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
  if (KIND == 0) {
    var top = -3.4028234e38;
    for (var i = index; i < params.width; i += THREADS) {
      top = max(top, x[start + i]);
    }
    top = combined(top, index, true);
    var sum = 0f;
    for (var i = index; i < params.width; i += THREADS) {
      sum += exp(x[start + i] - top);
    }
    let scale = 1 / combined(sum, index, false);
    for (var i = index; i < params.width; i += THREADS) {
      y[start + i] = exp(x[start + i] - top) * scale;
    }
    return;
  }
  var mean = 0f;
  if (KIND == 1) {
    var sum = 0f;
    for (var i = index; i < params.width; i += THREADS) {
      sum += x[start + i];
    }
    mean = combined(sum, index, false) / width;
  }
  var squares = 0f;
  for (var i = index; i < params.width; i += THREADS) {
    let value = x[start + i] - mean;
    squares += value * value;
  }
  let scale = 1 / sqrt(combined(squares, index, false) / width + params.eps);
  for (var i = index; i < params.width; i += THREADS) {
    let normal = (x[start + i] - mean) * scale * weight[i];
    if (KIND == 1) {
      y[start + i] = normal + bias[i];
    } else {
      y[start + i] = normal;
    }
  }
}
