import { ModelError } from '../../base/errors.ts';

/** What one step needs; `T` is a number on the CPU and a buffer on the GPU. */
export interface AdamWStep<T> {
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  /** Counts from 1. */
  readonly step: number;
  /** Multiplies the gradient first; 1 for no clipping (see `clipFactor`). A buffer has one element. */
  readonly clip: T;
}

/**
 * The scalars of a step, in float64: the factor of weight decay, rate / (1 − β1ᵗ) and √(1 − β2ᵗ).
 *
 * @throws ModelError `bad-input` for a step below 1, whose corrections would divide by zero.
 */
export function adamwFactors(options: AdamWStep<unknown>): {
  decay: number;
  stepSize: number;
  rootCorrection: number;
} {
  const { learningRate, beta1, beta2, weightDecay, step } = options;
  if (!Number.isInteger(step) || step < 1) {
    throw new ModelError('bad-input', `AdamW step ${step} was asked for; steps are counted from 1.`);
  }
  return {
    decay: 1 - learningRate * weightDecay,
    stepSize: learningRate / (1 - beta1 ** step),
    rootCorrection: Math.sqrt(1 - beta2 ** step),
  };
}
