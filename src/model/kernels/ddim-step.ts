import { ddimFactors, type DdimSchedule } from './ddim-schedule.ts';
import source from './ddim-step.wgsl?raw';
import { GpuKernel, type GpuRun } from './gpu-run.ts';

const KERNEL = new GpuKernel('ddim-step', source);

/**
 * The sample after inference step `step`, from `count` f32 of sample and predicted noise.
 *
 * @returns a temporary of `run`.
 */
export function ddimStep(
  run: GpuRun,
  sample: GPUBuffer,
  noise: GPUBuffer,
  count: number,
  schedule: DdimSchedule,
  step: number,
): GPUBuffer {
  const factors = ddimFactors(schedule, step);
  const next = run.temporary(count * 4, 'ddim sample');
  const params = run.uniform([
    ['u32', count],
    ['f32', factors.sqrtAlpha],
    ['f32', factors.sqrtBeta],
    ['f32', factors.sqrtNextAlpha],
    ['f32', factors.sqrtNextBeta],
  ]);
  run.dispatch(KERNEL, {}, [params, sample, noise, next], [Math.ceil(count / 64)]);
  return next;
}
