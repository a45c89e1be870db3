/** What suits teaching the practice policy one more task; found by `npm run teach`, whose defaults they are, and measured in docs/measurements.md. */
import type { FineTuneOptions } from '../../workers/contract-finetune.ts';

/** Episodes of each trained task that are mixed in. */
export const REHEARSAL_EPISODES = 30;

export const EXPERT_OPTIONS = {
  maxSteps: 800,
  batchSize: 8,
  learningRate: 5e-4,
  numStepsBeforeDecay: 560,
  maxGradNorm: 1,
  imageAug: false,
  validationFraction: 0,
  saveFreq: 100,
  statistics: 'policy',
  demonstrationWeight: 4,
} satisfies Partial<FineTuneOptions>;
