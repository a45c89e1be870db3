import { addNoiseFactors, type DdimSchedule } from './ddim-schedule.ts';
import { checkLength } from './operand-checks.ts';

/** Twin of add-noise.wgsl; rounds to f32 where torch does. */
export function addNoise(
  clean: Float32Array,
  noise: Float32Array,
  columns: number,
  schedule: DdimSchedule,
  timesteps: readonly number[],
): Float32Array {
  const factors = timesteps.map((timestep) => addNoiseFactors(schedule, timestep));
  checkLength(clean, timesteps.length * columns, 'The clean sample');
  checkLength(noise, timesteps.length * columns, 'The noise');
  const noisy = new Float32Array(clean.length);
  for (const [sample, { sqrtAlpha, sqrtBeta }] of factors.entries()) {
    for (let i = sample * columns; i < (sample + 1) * columns; i++) {
      noisy[i] = Math.fround(sqrtAlpha * clean[i]!) + Math.fround(sqrtBeta * noise[i]!);
    }
  }
  return noisy;
}
