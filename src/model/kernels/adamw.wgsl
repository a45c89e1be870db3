// One AdamW step (Loshchilov & Hutter 2019) over a flat range, as torch 1.13 orders it:
//
//   g          = gradient · clip
//   parameter *= 1 - rate · weight decay
//   m          = beta1 · m + (1 - beta1) · g
//   v          = beta2 · v + (1 - beta2) · g²
//   parameter -= rate / (1 - beta1^t) · m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
//
// Flat f32 arrays of `count`, `clip` has one element; dispatch (w, h) with w · h ≥ ceil(count / 256).

struct Params {
  count: u32,
  decay: f32, // 1 - rate · weight decay
  beta1: f32,
  one_minus_beta1: f32, // formed in float64: 1 - f32(0.999) would be off by 1e-5 of itself
  beta2: f32,
  one_minus_beta2: f32,
  step_size: f32, // rate / (1 - beta1^t)
  root_correction: f32, // sqrt(1 - beta2^t)
  epsilon: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> clip: array<f32>;
@group(0) @binding(2) var<storage, read> gradient: array<f32>;
@group(0) @binding(3) var<storage, read_write> parameter: array<f32>;
@group(0) @binding(4) var<storage, read_write> m: array<f32>;
@group(0) @binding(5) var<storage, read_write> v: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 256 + id.x;
  if (i >= params.count) {
    return;
  }
  let g = gradient[i] * clip[0];
  let first = params.beta1 * m[i] + params.one_minus_beta1 * g;
  let second = params.beta2 * v[i] + params.one_minus_beta2 * g * g;
  let denominator = sqrt(second) / params.root_correction + params.epsilon;
  parameter[i] = parameter[i] * params.decay - params.step_size * (first / denominator);
  m[i] = first;
  v[i] = second;
}
