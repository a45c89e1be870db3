import source from './add-noise.wgsl?raw';
import { addNoiseFactors, type DdimSchedule } from './ddim-schedule.ts';
import { flatWorkgroups, GpuKernel, type GpuRun } from './gpu-run.ts';
import { checkLength } from './operand-checks.ts';

const KERNEL = new GpuKernel('add-noise', source);

/**
 * √ᾱ · clean + √(1 − ᾱ) · noise, for clean and noise [B, C] f32 (diffusers scheduling_ddim.py: add_noise).
 *
 * @param timesteps [B], one training timestep per sample.
 * @returns [B, C], a temporary of `run`.
 * @throws ModelError `bad-input` for a timestep that the schedule lacks, `bad-shape` for an operand that is too short.
 */
export function addNoise(
  run: GpuRun,
  clean: GPUBuffer,
  noise: GPUBuffer,
  columns: number,
  schedule: DdimSchedule,
  timesteps: readonly number[],
): GPUBuffer {
  const factors = timesteps.map((timestep) => addNoiseFactors(schedule, timestep));
  const count = timesteps.length * columns;
  checkLength(clean, count, 'The clean sample');
  checkLength(noise, count, 'The noise');
  const pairs = Float32Array.from(factors.flatMap(({ sqrtAlpha, sqrtBeta }) => [sqrtAlpha, sqrtBeta]));
  const noisy = run.temporary(count * 4, 'noisy sample');
  const params = run.uniform([
    ['u32', count],
    ['u32', columns],
  ]);
  const bindings = [params, clean, noise, run.upload(pairs, 'noise factors'), noisy];
  run.dispatch(KERNEL, {}, bindings, flatWorkgroups(run.device, count, 64));
  return noisy;
}
