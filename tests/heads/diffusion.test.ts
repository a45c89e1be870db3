/** The diffusion head's arithmetic against upstream's own numbers. */
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/model/graph/builder.ts';
import { evaluate } from '../../src/model/graph/evaluate.ts';
import {
  addNoiseFactors,
  ddimFactors,
  ddimSchedule,
  type DdimSchedule,
} from '../../src/model/heads/ddim-schedule.ts';
import { ddimSegment, noisyActions } from '../../src/model/heads/diffusion.ts';
import type { HeadConfig } from '../../src/model/heads/head.ts';
import { timeEmbedding } from '../../src/model/heads/time-embedding.ts';
import { Scope } from '../../src/model/network/scope.ts';
import { randomFloats } from '../setup/compare.ts';
import { loadSafetensors } from '../setup/safetensors.ts';

const io = await loadSafetensors('tests/golden/libero-diffusion/io.safetensors');
const train = await loadSafetensors('tests/golden/libero-diffusion/train.safetensors');
const TRAIN_STEPS = 50;

const row = (name: string, step: number): Float32Array => {
  const { f32, shape } = io(name);
  const size = f32.length / shape[0]!;
  return f32.slice(step * size, (step + 1) * size);
};

/** One DDIM step in float64. */
function ddimStep(
  noisy: Float32Array,
  predicted: Float32Array,
  schedule: DdimSchedule,
  step: number,
): Float64Array {
  const g = new GraphBuilder('step');
  const inputs = {
    noisy: g.input('noisy', [noisy.length]),
    noise: g.input('predicted', [noisy.length]),
    factors: g.input('factors', [4]),
  };
  const { next } = ddimSegment.build(
    g,
    () => new Scope(g, new Map(), ''),
    inputs,
    () => undefined,
  );
  g.output('next', next!);
  const { sqrtAlpha, sqrtBeta, sqrtNextAlpha, sqrtNextBeta } = ddimFactors(schedule, step);
  const factors = [sqrtAlpha, sqrtBeta, sqrtNextAlpha, sqrtNextBeta];
  return evaluate(g.build(), { noisy, predicted, factors })['next']!.data;
}

describe.each([
  ['ddim', 50],
  ['ddim10', 10],
] as const)('%s golden', (run, steps) => {
  const schedule = ddimSchedule(TRAIN_STEPS, steps);

  it('has upstream’s timesteps and alphas', () => {
    expect(schedule.timesteps).toEqual([...io(`${run}/timesteps`).i64].map(Number));
    expect(schedule.alphasCumprod).toBeNear(io(`${run}/alphas_cumprod`).f32, 1e-7, 'alphas_cumprod');
  });

  it('gives each step’s sample and time embedding', () => {
    for (const [step, timestep] of schedule.timesteps.entries()) {
      const next = ddimStep(row(`${run}/sample_in`, step), row(`${run}/noise_pred`, step), schedule, step);
      // At the noisiest step the noise is divided by √ᾱ ≈ 0.03 before it is clipped: 2 ulp of 30 below the clip.
      expect(next).toBeNear(row(`${run}/sample_out`, step), 3e-6, `step ${step}`);
      const embedding = row(`${run}/time_embedding`, step);
      expect(timeEmbedding(timestep, embedding.length)).toBeNear(embedding, 5e-6, `time ${timestep}`);
    }
  });
});

describe('a DDIM step', () => {
  it('is eq. 12 where nothing clips', () => {
    const schedule = ddimSchedule(TRAIN_STEPS, 5);
    const noise = randomFloats(99, 1).map((value) => value * 0.1);
    const sample = randomFloats(99, 2).map((value) => value * 0.1);
    for (const step of [1, 2, 3, 4]) {
      const { current, next } = schedule.alphas[step]!;
      const expected = Float64Array.from(sample, (value, i) => {
        const clean = (value - Math.sqrt(1 - current) * noise[i]!) / Math.sqrt(current);
        return Math.sqrt(next) * clean + Math.sqrt(1 - next) * noise[i]!;
      });
      expect(ddimStep(sample, noise, schedule, step)).toBeNear(expected, 1e-6, `step ${step}`);
    }
  });

  it('ends on the clipped estimate itself, since the last alpha is 1', () => {
    const schedule = ddimSchedule(TRAIN_STEPS, 50);
    const next = ddimStep(Float32Array.of(5, -5), Float32Array.of(0.3, 0.1), schedule, 49);
    expect([...next]).toEqual([1, -1]);
  });

  it('refuses impossible schedules, steps and widths', () => {
    expect(() => ddimSchedule(50, 51)).toThrow(/51 DDIM steps/);
    expect(() => ddimSchedule(50, 0)).toThrow(/0 DDIM steps/);
    expect(() => ddimFactors(ddimSchedule(50, 5), 5)).toThrow(/step 5/);
    expect(() => timeEmbedding(3, 7)).toThrow(/width 7/);
  });
});

describe('noisy actions', () => {
  const config = {
    profile: { chunkSize: 8, actions: Array.from({ length: 7 }), state: null },
    diffusion: { trainSteps: TRAIN_STEPS, inferenceSteps: TRAIN_STEPS },
  } as unknown as HeadConfig;

  it.each([0, 1, 2, 3, 4])('are upstream’s in training step %i', (step) => {
    const read = (name: string) => train(`diffusion/step${step}/${name}`);
    const draws = { noise: read('noise').f32, timesteps: [...read('timesteps').i64].map(Number) };
    const noisy = noisyActions(config, train('batch/actions').f32, draws);
    expect(noisy).toBeNear(read('noisy_actions').f32, 3e-7);
  });

  it('have factors whose squares sum to one, falling from sample to noise', () => {
    const schedule = ddimSchedule(TRAIN_STEPS, TRAIN_STEPS);
    let last = 1;
    for (let timestep = 0; timestep < TRAIN_STEPS; timestep++) {
      const { sqrtAlpha, sqrtBeta } = addNoiseFactors(schedule, timestep);
      expect(sqrtAlpha ** 2 + sqrtBeta ** 2).toBeCloseTo(1, 6);
      expect(sqrtAlpha).toBeLessThan(last);
      last = sqrtAlpha;
    }
    for (const timestep of [-1, 50, 0.5])
      expect(() => addNoiseFactors(schedule, timestep)).toThrow(
        expect.objectContaining({ code: 'bad-input' }),
      );
  });

  it('need as much noise as there are actions', () => {
    const actions = new Float32Array(112);
    expect(() => noisyActions(config, actions, { noise: new Float32Array(56), timesteps: [3, 4] })).toThrow(
      /2 samples have 112 actions and 56 values of noise, expected 56 each/,
    );
  });
});
