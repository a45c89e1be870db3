// One DDIM step (Song et al. 2021, eq. 12, eta = 0), from a noisy sample and the predicted noise e:
//
//   x0   = clamp((sample - sqrt(1 - a) e) / sqrt(a), -1, 1)
//   next = sqrt(a') x0 + sqrt(1 - a') e
//
// e is used as predicted: diffusers does not derive it again from the clipped x0.
// Flat f32 arrays of `count`; dispatch (ceil(count / 64)).

struct Params {
  count: u32,
  sqrt_alpha: f32,
  sqrt_beta: f32,
  sqrt_next_alpha: f32,
  sqrt_next_beta: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> sample: array<f32>;
@group(0) @binding(2) var<storage, read> noise: array<f32>;
@group(0) @binding(3) var<storage, read_write> next: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.x;
  if (i >= params.count) {
    return;
  }
  let clean = clamp((sample[i] - params.sqrt_beta * noise[i]) / params.sqrt_alpha, -1, 1);
  next[i] = params.sqrt_next_alpha * clean + params.sqrt_next_beta * noise[i];
}
