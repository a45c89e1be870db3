import { describe, expect, it } from 'vitest';
import { randomFloats } from '../../../tests/setup/compare.ts';
import { describeGpu } from '../../../tests/setup/gpu.ts';
import { floatsOf } from '../../../tests/setup/kernels.ts';
import { loadSafetensors } from '../../../tests/setup/safetensors.ts';
import { addNoise as addNoiseCpu } from './add-noise.cpu.ts';
import { addNoise } from './add-noise.ts';
import { addNoiseFactors, ddimSchedule } from './ddim-schedule.ts';

const golden = await loadSafetensors('tests/golden/libero-diffusion/train.safetensors');
const schedule = ddimSchedule(50, 50);

/** Two products near 1 and their sum, each rounded to f32; GPUs may fuse one of them. */
const TOLERANCE = 3e-7;

function trainStep(step: number) {
  const read = (name: string): Float32Array => golden(`diffusion/step${step}/${name}`).f32;
  return {
    clean: golden('batch/actions').f32,
    noise: read('noise'),
    timesteps: [...golden(`diffusion/step${step}/timesteps`).i64].map(Number),
    noisy: read('noisy_actions'),
  };
}

describe('add-noise twin', () => {
  it.each([0, 1, 2, 3, 4])('gives upstream’s noisy actions of training step %i', (step) => {
    const { clean, noise, timesteps, noisy } = trainStep(step);
    expect(addNoiseCpu(clean, noise, 56, schedule, timesteps)).toBeNear(noisy, TOLERANCE);
  });

  it('has factors whose squares sum to one, falling from sample to noise', () => {
    let last = 1;
    for (let timestep = 0; timestep < 50; timestep++) {
      const { sqrtAlpha, sqrtBeta } = addNoiseFactors(schedule, timestep);
      expect(sqrtAlpha ** 2 + sqrtBeta ** 2).toBeCloseTo(1, 6);
      expect(sqrtAlpha).toBeLessThan(last);
      last = sqrtAlpha;
    }
  });

  it('refuses timesteps that the schedule lacks and operands that do not fit', () => {
    for (const timestep of [-1, 50, 0.5]) {
      expect(() => addNoiseFactors(schedule, timestep)).toThrow(
        expect.objectContaining({ code: 'bad-input' }),
      );
    }
    const two = new Float32Array(2);
    expect(() => addNoiseCpu(two, two, 2, schedule, [3, 4])).toThrow(/holds 2 values; 4 were expected/);
  });
});

describeGpu('add-noise', (device) => {
  async function onGpu(
    clean: Float32Array,
    noise: Float32Array,
    columns: number,
    timesteps: readonly number[],
  ): Promise<Float32Array> {
    const [noisy] = await floatsOf(device, (run) => [
      [addNoise(run, run.upload(clean), run.upload(noise), columns, schedule, timesteps), clean.length],
    ]);
    return noisy!;
  }

  it('gives upstream’s noisy actions', async () => {
    for (const step of [0, 1, 2, 3, 4]) {
      const { clean, noise, timesteps, noisy } = trainStep(step);
      expect(await onGpu(clean, noise, 56, timesteps)).toBeNear(noisy, TOLERANCE, `step ${step}`);
    }
  });

  it.each([
    [1, 1],
    [3, 21],
    [1, 64],
    [5, 350],
  ])('%i samples of %i', async (samples, columns) => {
    const [clean, noise] = [randomFloats(samples * columns, 1), randomFloats(samples * columns, 2)];
    const timesteps = Array.from({ length: samples }, (_, i) => (i * 17 + 49) % 50);
    const expected = addNoiseCpu(clean, noise, columns, schedule, timesteps);
    expect(await onGpu(clean, noise, columns, timesteps)).toBeNear(expected, TOLERANCE);
  });
});
