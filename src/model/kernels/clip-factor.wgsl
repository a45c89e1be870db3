// factor = min(1, max_norm / (sqrt(squares) + 1e-6)): what gradients of that squared L2 norm are multiplied by, as
// torch.nn.utils.clip_grad_norm_. Both buffers have one element; dispatch (1).

struct Params {
  max_norm: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> squares: array<f32>;
@group(0) @binding(2) var<storage, read_write> factor: array<f32>;

@compute @workgroup_size(1)
fn main() {
  factor[0] = min(1, params.max_norm / (sqrt(squares[0]) + 1e-6));
}
