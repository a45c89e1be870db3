import { ModelError } from '../../base/errors.ts';

/** diffusers' DDIMScheduler as OpenVLA-OFT configures it, reduced to numbers. */
export interface DdimSchedule {
  /** ᾱ per training timestep, f32. */
  readonly alphasCumprod: Float32Array;
  /** Training timestep of each inference step, falling ("leading" spacing). */
  readonly timesteps: readonly number[];
  /** ᾱ of the current and of the next (less noisy) sample, per inference step; the last next one is 1. */
  readonly alphas: readonly { readonly current: number; readonly next: number }[];
}

/**
 * Betas are `squaredcos_cap_v2`, capped at 0.999 and rounded to f32 before the product, as torch does
 * (diffusers scheduling_ddim.py: betas_for_alpha_bar, set_timesteps; Nichol & Dhariwal 2021, eq. 17).
 *
 * @throws ModelError `bad-input` unless 1 ≤ inferenceSteps ≤ trainSteps.
 */
export function ddimSchedule(trainSteps: number, inferenceSteps: number): DdimSchedule {
  if (
    !(Number.isInteger(trainSteps) && Number.isInteger(inferenceSteps)) ||
    inferenceSteps < 1 ||
    inferenceSteps > trainSteps
  ) {
    throw new ModelError(
      'bad-input',
      `${inferenceSteps} DDIM steps were asked for, of a policy trained with ${trainSteps}.`,
      `Choose a whole number from 1 to ${trainSteps}.`,
    );
  }
  const alphasCumprod = new Float32Array(trainSteps);
  let product = 1;
  for (let t = 0; t < trainSteps; t++) {
    const beta = Math.min(1 - cosine((t + 1) / trainSteps) / cosine(t / trainSteps), 0.999);
    // torch.cumprod accumulates f32 in float64 on the CPU.
    product *= Math.fround(1 - Math.fround(beta));
    alphasCumprod[t] = product;
  }
  const stride = Math.floor(trainSteps / inferenceSteps);
  const timesteps = Array.from({ length: inferenceSteps }, (_, i) => (inferenceSteps - 1 - i) * stride);
  const alphas = timesteps.map((t) => ({ current: alphasCumprod[t]!, next: alphasCumprod[t - stride] ?? 1 }));
  return { alphasCumprod, timesteps, alphas };
}

function cosine(time: number): number {
  return Math.cos(((time + 0.008) / 1.008) * (Math.PI / 2)) ** 2;
}

/** The four factors of one step, in f32: 1/√ᾱ is not formed, since upstream divides. */
export interface DdimFactors {
  readonly sqrtAlpha: number;
  readonly sqrtBeta: number;
  readonly sqrtNextAlpha: number;
  readonly sqrtNextBeta: number;
}

/** @throws ModelError `bad-input` when the schedule has no such inference step. */
export function ddimFactors(schedule: DdimSchedule, step: number): DdimFactors {
  const alpha = schedule.alphas[step];
  if (!alpha) {
    throw new ModelError(
      'bad-input',
      `DDIM step ${step} was asked for; the schedule has ${schedule.alphas.length}.`,
    );
  }
  return {
    sqrtAlpha: root(alpha.current),
    sqrtBeta: root(1 - alpha.current),
    sqrtNextAlpha: root(alpha.next),
    sqrtNextBeta: root(1 - alpha.next),
  };
}

/** √ᾱ and √(1 − ᾱ) of one training timestep, in f32 as torch forms them. */
export interface AddNoiseFactors {
  readonly sqrtAlpha: number;
  readonly sqrtBeta: number;
}

/**
 * The factors of the forward process (diffusers scheduling_ddim.py: add_noise).
 *
 * @throws ModelError `bad-input` when the schedule was not trained with such a timestep.
 */
export function addNoiseFactors(schedule: DdimSchedule, timestep: number): AddNoiseFactors {
  const alpha = schedule.alphasCumprod[timestep];
  if (alpha === undefined) {
    throw new ModelError(
      'bad-input',
      `Timestep ${timestep} was asked for; the schedule has ${schedule.alphasCumprod.length} of them, from 0.`,
    );
  }
  return { sqrtAlpha: root(alpha), sqrtBeta: root(1 - alpha) };
}

function root(x: number): number {
  return Math.fround(Math.sqrt(Math.fround(x)));
}
