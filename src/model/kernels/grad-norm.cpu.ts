/** The L2 norm of a gradient; twin of grad-norm.wgsl and the root that clip-factor.wgsl takes, in float64. */
export function gradNorm(gradient: Float32Array): number {
  let squares = 0;
  for (let i = 0; i < gradient.length; i++) squares += gradient[i]! * gradient[i]!;
  return Math.sqrt(squares);
}

/** min(1, maxNorm / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_; twin of clip-factor.wgsl. */
export function clipFactor(norm: number, maxNorm: number): number {
  return Math.min(1, maxNorm / (norm + 1e-6));
}
