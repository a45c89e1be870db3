// As normalize.wgsl, a thread a row: for adapters on which barriers cost more than lines of memory.
//
// workgroup_size 32, dispatch flat over rows / 32.

override KIND: u32 = 0; // 0 softmax, 1 layerNorm, 2 rmsNorm

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

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let row = (group.y * params.groups_a_row + group.x) * 32 + index;
  if (row >= params.rows) {
    return;
  }
  let start = row * params.width;
  let width = f32(params.width);
  if (KIND == 0) {
    var top = -3.4028234e38;
    for (var i = 0u; i < params.width; i++) {
      top = max(top, x[start + i]);
    }
    var sum = 0f;
    for (var i = 0u; i < params.width; i++) {
      let value = exp(x[start + i] - top);
      y[start + i] = value;
      sum += value;
    }
    for (var i = 0u; i < params.width; i++) {
      y[start + i] /= sum;
    }
    return;
  }
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
  for (var i = 0u; i < params.width; i++) {
    let normal = (x[start + i] - mean) * scale * weight[i];
    if (KIND == 1) {
      y[start + i] = normal + bias[i];
    } else {
      y[start + i] = normal;
    }
  }
}
