import { describe, expect, it } from 'vitest';
import { randomFloats } from '../../../tests/setup/compare.ts';
import { describeGpu, withoutGpuErrors } from '../../../tests/setup/gpu.ts';
import { loadSafetensors } from '../../../tests/setup/safetensors.ts';
import { ddimSchedule } from './ddim-schedule.ts';
import { ddimStep as ddimStepCpu } from './ddim-step.cpu.ts';
import { ddimStep } from './ddim-step.ts';
import { GpuRun, readBuffer } from './gpu-run.ts';
import { timeEmbedding } from './time-embedding.ts';

const golden = await loadSafetensors('tests/golden/libero-diffusion/io.safetensors');
const TRAIN_STEPS = 50;
const RUNS = [
  ['ddim', 50],
  ['ddim10', 10],
] as const;

/** At the noisiest step ε is divided by √ᾱ ≈ 0.03 before clipping: 2 ulp of 30 below the clip. */
const TWIN_TOLERANCE = 1e-6;
const GPU_TOLERANCE = 5e-6;

const row = (name: string, step: number): Float32Array => {
  const { f32, shape } = golden(name);
  const size = f32.length / shape[0]!;
  return f32.slice(step * size, (step + 1) * size);
};

describe.each(RUNS)('%s golden, twin', (run, steps) => {
  const schedule = ddimSchedule(TRAIN_STEPS, steps);

  it('has upstream’s timesteps and alphas', () => {
    expect(schedule.timesteps).toEqual([...golden(`${run}/timesteps`).i64].map(Number));
    expect(schedule.alphasCumprod).toBeNear(golden(`${run}/alphas_cumprod`).f32, 1e-7, 'alphas_cumprod');
  });

  it('gives each step’s sample and time embedding', () => {
    for (const [step, timestep] of schedule.timesteps.entries()) {
      const next = ddimStepCpu(row(`${run}/sample_in`, step), row(`${run}/noise_pred`, step), schedule, step);
      expect(next).toBeNear(row(`${run}/sample_out`, step), TWIN_TOLERANCE, `step ${step}`);
      const embedding = row(`${run}/time_embedding`, step);
      expect(timeEmbedding(timestep, embedding.length)).toBeNear(
        embedding,
        5e-6,
        `time embedding ${timestep}`,
      );
    }
  });
});

describe('ddim twin', () => {
  it('is eq. 12 in float64 where nothing clips', () => {
    const schedule = ddimSchedule(TRAIN_STEPS, 5);
    const noise = randomFloats(99, 1).map((value) => value * 0.1);
    const sample = randomFloats(99, 2).map((value) => value * 0.1);
    for (const step of [1, 2, 3, 4]) {
      const { current, next } = schedule.alphas[step]!;
      const expected = Float64Array.from(sample, (value, i) => {
        const clean = (value - Math.sqrt(1 - current) * noise[i]!) / Math.sqrt(current);
        return Math.sqrt(next) * clean + Math.sqrt(1 - next) * noise[i]!;
      });
      expect(ddimStepCpu(sample, noise, schedule, step)).toBeNear(expected, 1e-6, `step ${step}`);
    }
  });

  it('ends on the clipped estimate itself, since the last alpha is 1', () => {
    const schedule = ddimSchedule(TRAIN_STEPS, 50);
    const next = ddimStepCpu(Float32Array.of(5, -5), Float32Array.of(0.3, 0.1), schedule, 49);
    expect([...next]).toEqual([1, -1]);
  });

  it('refuses impossible schedules, steps and widths', () => {
    expect(() => ddimSchedule(50, 51)).toThrow(/51 DDIM steps/);
    expect(() => ddimSchedule(50, 0)).toThrow(/0 DDIM steps/);
    expect(() => ddimStepCpu(new Float32Array(1), new Float32Array(1), ddimSchedule(50, 5), 5)).toThrow(
      /step 5/,
    );
    expect(() => timeEmbedding(3, 7)).toThrow(/width 7/);
  });
});

describeGpu('ddim-step', (device) => {
  it.each(RUNS)('%s golden, step by step', async (name, steps) => {
    const schedule = ddimSchedule(TRAIN_STEPS, steps);
    for (let step = 0; step < steps; step++) {
      const sample = row(`${name}/sample_in`, step);
      const noise = row(`${name}/noise_pred`, step);
      const actual = await withoutGpuErrors(device, () => stepOnGpu(device, sample, noise, steps, step));
      expect(actual).toBeNear(row(`${name}/sample_out`, step), GPU_TOLERANCE, `step ${step}`);
      expect(actual).toBeNear(ddimStepCpu(sample, noise, schedule, step), GPU_TOLERANCE, `step ${step} twin`);
    }
  });

  it.each([1, 63, 64, 65, 1000])('%i values', async (count) => {
    const [sample, noise] = [randomFloats(count, 1), randomFloats(count, 2)];
    const actual = await withoutGpuErrors(device, () => stepOnGpu(device, sample, noise, 50, 20));
    expect(actual).toBeNear(ddimStepCpu(sample, noise, ddimSchedule(TRAIN_STEPS, 50), 20), GPU_TOLERANCE);
  });
});

async function stepOnGpu(
  device: GPUDevice,
  sample: Float32Array,
  noise: Float32Array,
  steps: number,
  step: number,
): Promise<Float32Array> {
  const run = new GpuRun(device, 'ddim test');
  const schedule = ddimSchedule(TRAIN_STEPS, steps);
  const next = ddimStep(run, run.upload(sample), run.upload(noise), sample.length, schedule, step);
  run.keep(next);
  run.submit();
  const values = new Float32Array(await readBuffer(device, next, sample.length * 4));
  next.destroy();
  return values;
}
