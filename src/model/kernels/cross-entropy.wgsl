// Softmax cross-entropy of each row, and its gradient with respect to the logits, both times `scale`:
//
//   p         = softmax(logits[row])
//   loss[row] = -log(p[target[row]]) · scale
//   gradient  = (p - onehot(target[row])) · scale
//
// The row's maximum is subtracted first, so that exp stays in range.
//
//   logits and gradient [rows, columns], targets (u32) and losses [rows]; f32.
//
// One workgroup per row; dispatch (rows, 1), or (w, ceil(rows / w)) where rows exceed a dispatch's side.

override THREADS: u32 = 256; // power of two

struct Params {
  rows: u32,
  columns: u32,
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> targets: array<u32>;
@group(0) @binding(3) var<storage, read_write> gradient: array<f32>;
@group(0) @binding(4) var<storage, read_write> losses: array<f32>;

const LOWEST = -0x1.fffffep+127f;

var<workgroup> partial: array<f32, THREADS>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let row = group.y * groups.x + group.x;
  // A row past the end works on row 0 and stores nothing: barriers need all threads of a workgroup.
  let start = select(0u, row, row < params.rows) * params.columns;

  var highest = LOWEST;
  for (var i = thread; i < params.columns; i += THREADS) {
    highest = max(highest, logits[start + i]);
  }
  partial[thread] = highest;
  workgroupBarrier();
  for (var half = THREADS / 2; half > 0; half /= 2) {
    if (thread < half) {
      partial[thread] = max(partial[thread], partial[thread + half]);
    }
    workgroupBarrier();
  }
  highest = partial[0];
  workgroupBarrier();

  var sum = 0f;
  for (var i = thread; i < params.columns; i += THREADS) {
    sum += exp(logits[start + i] - highest);
  }
  partial[thread] = sum;
  workgroupBarrier();
  for (var half = THREADS / 2; half > 0; half /= 2) {
    if (thread < half) {
      partial[thread] += partial[thread + half];
    }
    workgroupBarrier();
  }
  sum = partial[0];

  if (row >= params.rows) {
    return;
  }
  let wanted = targets[row];
  for (var i = thread; i < params.columns; i += THREADS) {
    let share = exp(logits[start + i] - highest) / sum;
    gradient[start + i] = (share - select(0f, 1f, i == wanted)) * params.scale;
  }
  if (thread == 0) {
    losses[row] = (log(sum) + (highest - logits[start + wanted])) * params.scale;
  }
}
