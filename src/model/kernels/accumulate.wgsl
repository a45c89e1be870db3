// sums[offset + i] += source[i] · factor, for i < count; f32.
//
// Dispatch (w, h) with w · h ≥ ceil(count / 256).

struct Params {
  count: u32,
  offset: u32, // in floats
  factor: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> source: array<f32>;
@group(0) @binding(2) var<storage, read_write> sums: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 256 + id.x;
  if (i >= params.count) {
    return;
  }
  sums[params.offset + i] += source[i] * params.factor;
}
