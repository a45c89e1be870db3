import { ModelError } from '../errors.ts';
import { ddimFactors, type DdimSchedule } from './ddim-schedule.ts';

/** Twin of ddim-step.wgsl; rounds to f32 where torch does. */
export function ddimStep(
  sample: Float32Array,
  noise: Float32Array,
  schedule: DdimSchedule,
  step: number,
): Float32Array {
  if (noise.length !== sample.length) {
    throw new ModelError(
      'bad-shape',
      `The sample has ${sample.length} values and the predicted noise ${noise.length}.`,
    );
  }
  const { sqrtAlpha, sqrtBeta, sqrtNextAlpha, sqrtNextBeta } = ddimFactors(schedule, step);
  const { fround } = Math;
  return sample.map((value, i) => {
    const e = noise[i]!;
    const clean = fround(fround(value - fround(sqrtBeta * e)) / sqrtAlpha);
    return fround(sqrtNextAlpha * Math.min(Math.max(clean, -1), 1)) + fround(sqrtNextBeta * e);
  });
}
