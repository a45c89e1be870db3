// y = (x - mean(x)) / sqrt(var(x) + epsilon) · weight + bias, each row by itself.
//
//   x and y [rows, columns], weight and bias [columns]; f32. The variance is the biased one, from a second pass
//   over the row: E[x²] - E[x]² would lose digits.
//
// One workgroup per row; dispatch (rows, 1), or (w, ceil(rows / w)) where rows exceed a dispatch's side.

override THREADS: u32 = 256; // power of two

struct Params {
  rows: u32,
  columns: u32,
  epsilon: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

var<workgroup> partial: array<f32, THREADS>;

// The sum of `value` over the workgroup, in every thread.
fn sum_all(value: f32, thread: u32) -> f32 {
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
  let mean = sum_all(sum, thread) / count;

  var squares = 0f;
  for (var i = thread; i < params.columns; i += THREADS) {
    let centered = input[start + i] - mean;
    squares += centered * centered;
  }
  let scale = 1 / sqrt(sum_all(squares, thread) / count + params.epsilon);

  if (row < params.rows) {
    for (var i = thread; i < params.columns; i += THREADS) {
      output[start + i] = (input[start + i] - mean) * scale * weight[i] + bias[i];
    }
  }
}
