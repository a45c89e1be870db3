/** What suits teaching the practice policy one more task; found by `npm run teach`, whose defaults they are, and measured in docs/measurements.md. */
import type { FineTuneOptions } from '../../workers/contract-finetune.ts';

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
