import source from './adamw.wgsl?raw';
import { adamwFactors, type AdamWStep } from './adamw-step.ts';
import { flatWorkgroups, GpuKernel, requireBindable, type BufferRange, type GpuRun } from './gpu-run.ts';
import { checkLength } from './operand-checks.ts';

const KERNEL = new GpuKernel('adamw', source);

/**
 * One step of torch 1.13's AdamW over `count` f32: parameter, m and v are changed in place.
 *
 * @throws ModelError `bad-shape` for a buffer that is too short, `bad-input` for a step below 1, `out-of-memory` where
 * the device cannot bind that many at once; nothing is recorded then.
 */
export function adamw(
  run: GpuRun,
  parameter: BufferRange,
  gradient: BufferRange,
  m: BufferRange,
  v: BufferRange,
  count: number,
  options: AdamWStep<GPUBuffer>,
): void {
  for (const buffer of [parameter, gradient, m, v]) checkLength(buffer, count, 'A range of AdamW');
  requireBindable(run.device, count * 4, `A range of ${count} parameters`);
  const { beta1, beta2 } = options;
  const { decay, stepSize, rootCorrection } = adamwFactors(options);
  const params = run.uniform([
    ['u32', count],
    ['f32', decay],
    ['f32', beta1],
    ['f32', 1 - beta1],
    ['f32', beta2],
    ['f32', 1 - beta2],
    ['f32', stepSize],
    ['f32', rootCorrection],
    ['f32', options.epsilon],
  ]);
  run.dispatch(
    KERNEL,
    {},
    [params, options.clip, gradient, parameter, m, v],
    flatWorkgroups(run.device, count, 256),
  );
}
