// dx = dy · f′(x), f ReLU (f′(0) = 0, as torch) or GELU (erf form): f′ = Φ(x) + x φ(x).
//
// Flat f32 arrays of `count`; dispatch (w, h) with w · h ≥ ceil(count / 64). Comes after erf.wgsl.

struct Params {
  count: u32,
  activation: u32, // 1 ReLU, 2 GELU
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 64 + id.x;
  if (i >= params.count) {
    return;
  }
  let value = x[i];
  if (params.activation == 1) {
    dx[i] = select(0, dy[i], value > 0);
  } else {
    let density = 0.39894228 * exp(-0.5 * value * value);
    dx[i] = dy[i] * (0.5 * (1 + erf(value * 0.70710678)) + value * density);
  }
}
