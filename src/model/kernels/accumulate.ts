import source from './accumulate.wgsl?raw';
import { flatWorkgroups, GpuKernel, requireBindable, type GpuRun } from './gpu-run.ts';
import { checkLength, checkRange } from './operand-checks.ts';

const KERNEL = new GpuKernel('accumulate', source);

/**
 * target[offset + i] += source[i] · factor for i < count, f32 in place.
 *
 * @param offset in floats.
 * @throws ModelError `bad-shape` where the range leaves a buffer, `out-of-memory` where the device cannot bind the
 * target at once; nothing is recorded then.
 */
export function accumulate(
  run: GpuRun,
  target: GPUBuffer,
  offset: number,
  addend: GPUBuffer,
  count: number,
  factor: number,
): void {
  checkRange(offset, count, Math.floor(target.size / 4));
  checkLength(addend, count, 'What is added');
  requireBindable(run.device, target.size, target.label);
  const params = run.uniform([
    ['u32', count],
    ['u32', offset],
    ['f32', factor],
  ]);
  run.dispatch(KERNEL, {}, [params, addend, target], flatWorkgroups(run.device, count, 256));
}
