/** What suits teaching the practice policy one more task; found by `npm run teach`, whose defaults they are, and measured in docs/measurements.md. */
import type { FineTuneOptions } from '../../workers/boundary/contract-finetune.ts';

export const EXPERT_OPTIONS = {
  maxSteps: 1500,
  batchSize: 8,
  learningRate: 6e-4,
  numStepsBeforeDecay: 1050,
  maxGradNorm: 1,
  imageAug: false,
  validationFraction: 0,
  saveFreq: 100,
  statistics: 'policy',
  demonstrationWeight: 9,
} satisfies Partial<FineTuneOptions>;

/** What suits teaching it another robot at the table, whose head and projector begin from nothing; likewise (`npm run teach -- --robot so101`). */
export const NEW_ROBOT_OPTIONS = {
  ...EXPERT_OPTIONS,
  // Three times as many learn the demonstrations by heart, and do no better.
  maxSteps: 700,
  learningRate: 8e-4,
  numStepsBeforeDecay: 490,
  // It moves in another range, and nothing is mixed in.
  statistics: 'demonstrations',
  demonstrationWeight: 1,
} satisfies Partial<FineTuneOptions>;
