import clipFactorSource from './clip-factor.wgsl?raw';
import source from './grad-norm.wgsl?raw';
import { GpuKernel, requireBindable, type GpuRun } from './gpu-run.ts';
import { checkLength } from './operand-checks.ts';

const KERNEL = new GpuKernel('grad-norm', source);
const CLIP_FACTOR = new GpuKernel('clip-factor', clipFactorSource);

/** Enough workgroups to keep a GPU busy, few enough for one more to add up. */
const MOST_GROUPS = 1024;

/**
 * Adds the squared L2 norm of `count` f32 to the one element of `squares`. It stays squared, since the norms of
 * several ranges are combined that way; {@link clipFactor} takes the root. The same values give the same bits.
 *
 * @throws ModelError `bad-shape` for a buffer that is too short, `out-of-memory` where the device cannot bind that
 * many at once.
 */
export function gradNorm(run: GpuRun, gradient: GPUBuffer, count: number, squares: GPUBuffer): void {
  checkLength(gradient, count, 'A buffer of gradients');
  requireBindable(run.device, count * 4, `A range of ${count} gradients`);
  const groups = Math.max(1, Math.min(MOST_GROUPS, Math.ceil(count / 1024)));
  // A new buffer holds zeros.
  const sums = run.temporary(groups * 4, 'gradient norm sums');
  run.dispatch(KERNEL, { SQUARED: true }, [run.uniform([['u32', count]]), gradient, sums], [groups]);
  run.dispatch(KERNEL, { SQUARED: false }, [run.uniform([['u32', groups]]), sums, squares], [1]);
}

/**
 * min(1, maxNorm / (√squares + 1e-6)), as torch.nn.utils.clip_grad_norm_.
 *
 * @param squares one element, of {@link gradNorm}.
 * @returns one element, a temporary of `run`.
 */
export function clipFactor(run: GpuRun, squares: GPUBuffer, maxNorm: number): GPUBuffer {
  const factor = run.temporary(4, 'clip factor');
  run.dispatch(CLIP_FACTOR, {}, [run.uniform([['f32', maxNorm]]), squares, factor], [1]);
  return factor;
}
