// The mean absolute or mean squared error of a prediction and its gradient with respect to that, both times `factor`:
//
//   d        = prediction - target
//   loss    += sum of |d| · factor / count          or  sum of d² · factor / count
//   gradient = sign(d) · factor / count, sign(0) = 0  or  2 d · factor / count
//
// Flat f32 arrays of `count`; `loss` has one element. Action chunks are small: one workgroup; dispatch (1).

override SQUARED: bool = false;
override THREADS: u32 = 256; // power of two

struct Params {
  count: u32,
  scale: f32, // factor / count
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> prediction: array<f32>;
@group(0) @binding(2) var<storage, read> truth: array<f32>;
@group(0) @binding(3) var<storage, read_write> gradient: array<f32>;
@group(0) @binding(4) var<storage, read_write> loss: array<f32>;

var<workgroup> partial: array<f32, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(local_invocation_index) thread: u32) {
  var sum = 0f;
  for (var i = thread; i < params.count; i += THREADS) {
    let d = prediction[i] - truth[i];
    sum += select(abs(d), d * d, SQUARED);
    gradient[i] = select(sign(d), 2 * d, SQUARED) * params.scale;
  }
  partial[thread] = sum;
  workgroupBarrier();
  for (var half = THREADS / 2; half > 0; half /= 2) {
    if (thread < half) {
      partial[thread] += partial[thread + half];
    }
    workgroupBarrier();
  }
  if (thread == 0) {
    loss[0] += partial[0] * params.scale;
  }
}
