// The gradient of y = x̂ · weight + bias, x̂ = (x - mean(x)) · scale, scale = 1 / sqrt(var(x) + epsilon), each row
// by itself:
//
//   g  = dy · weight
//   dx = scale · (g - mean(g) - x̂ · mean(g · x̂)) + residual
//
// and each row's mean and scale, for layer-norm-backward-weights.wgsl.
//
//   x, dy, residual and dx [rows, columns], weight [columns], statistics [rows]; f32.
//
// One workgroup per row; dispatch (rows, 1), or (w, ceil(rows / w)) where rows exceed a dispatch's side.

override THREADS: u32 = 256; // power of two

struct Params {
  rows: u32,
  columns: u32,
  epsilon: f32,
  has_residual: u32,
  has_output: u32, // 0: only the statistics are wanted
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> statistics: array<vec2f>;
@group(0) @binding(6) var<storage, read_write> output: array<f32>;

var<workgroup> partial: array<vec2f, THREADS>;

// The sums of both components of `value` over the workgroup, in every thread.
fn sum_all(value: vec2f, thread: u32) -> vec2f {
  partial[thread] = value;
  workgroupBarrier();
  for (var half = THREADS / 2; half > 0; half /= 2) {
    if (thread < half) {
      partial[thread] += partial[thread + half];
    }
    workgroupBarrier();
  }
  let sum = partial[0];
  workgroupBarrier();
  return sum;
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let row = group.y * groups.x + group.x;
  // A row past the end works on row 0 and stores nothing: barriers need all threads of a workgroup.
  let start = select(0u, row, row < params.rows) * params.columns;
  let count = f32(params.columns);

  var sum = 0f;
  for (var i = thread; i < params.columns; i += THREADS) {
    sum += input[start + i];
  }
  let mean = sum_all(vec2f(sum, 0), thread).x / count;

  var squares = 0f;
  for (var i = thread; i < params.columns; i += THREADS) {
    let centered = input[start + i] - mean;
    squares += centered * centered;
  }
  let scale = 1 / sqrt(sum_all(vec2f(squares, 0), thread).x / count + params.epsilon);
  if (row < params.rows && thread == 0) {
    statistics[row] = vec2f(mean, scale);
  }
  if (params.has_output == 0) {
    return;
  }

  var sums = vec2f();
  for (var i = thread; i < params.columns; i += THREADS) {
    let g = dy[start + i] * weight[i];
    sums += vec2f(g, g * (input[start + i] - mean) * scale);
  }
  let means = sum_all(sums, thread) / count;

  if (row < params.rows) {
    for (var i = thread; i < params.columns; i += THREADS) {
      let at = start + i;
      let normed = (input[at] - mean) * scale;
      var value = scale * (dy[at] * weight[i] - means.x - normed * means.y);
      if (params.has_residual != 0) {
        value += residual[at];
      }
      output[at] = value;
    }
  }
}
