// The forward process of diffusion (Ho et al. 2020, eq. 4), each sample with its own timestep:
//
//   noisy = sqrt(a) · clean + sqrt(1 - a) · noise
//
//   clean, noise and noisy [samples, columns], factors [samples] (both roots); f32. `count` is samples · columns.
//   Dispatch (w, h) with w · h ≥ ceil(count / 64).

struct Params {
  count: u32,
  columns: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> clean: array<f32>;
@group(0) @binding(2) var<storage, read> noise: array<f32>;
@group(0) @binding(3) var<storage, read> factors: array<vec2f>;
@group(0) @binding(4) var<storage, read_write> noisy: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64 + id.x;
  if (i >= params.count) {
    return;
  }
  let factor = factors[i / params.columns];
  noisy[i] = factor.x * clean[i] + factor.y * noise[i];
}
