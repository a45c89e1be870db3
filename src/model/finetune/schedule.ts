/** The learning rate of finetune.py. */
export interface ScheduleOptions {
  readonly learningRate: number;
  /** Steps from 10 % to 100 %; 0 for none. */
  readonly warmupSteps: number;
  readonly stepsBeforeDecay: number;
}

/**
 * Learning rate of the optimiser step with index `step` (from 0).
 *
 * MultiStepLR multiplies by 0.1 after `stepsBeforeDecay` steps. With warm-up, finetune.py writes the rate anew at every step, so
 * that the decay never takes effect; that is kept.
 */
export function learningRateAt(step: number, options: ScheduleOptions): number {
  const { learningRate, warmupSteps, stepsBeforeDecay } = options;
  if (warmupSteps > 0) return learningRate * (0.1 + 0.9 * Math.min((step + 1) / warmupSteps, 1));
  return step >= stepsBeforeDecay ? learningRate * 0.1 : learningRate;
}
