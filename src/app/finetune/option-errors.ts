import type { FineTuneOptions } from '../../workers/boundary/contract-finetune.ts';

type Field = keyof FineTuneOptions | 'r' | 'alpha' | 'dropout' | 'pattern';

/** What is wrong with the options, by field; empty when they can be used. */
export function optionErrors(options: FineTuneOptions): Partial<Record<Field, string>> {
  const errors: Partial<Record<Field, string>> = {};
  const whole = (field: keyof FineTuneOptions, least: number, most: number) => {
    const value = options[field];
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return;
    errors[field] = `A whole number from ${least} to ${most.toLocaleString('en')}.`;
  };
  if (!/\S/.test(options.run) || options.run.length > 80 || /[/\\]/.test(options.run)) {
    errors.run = 'A name of up to 80 characters, without slashes.';
  }
  whole('maxSteps', 1, 1_000_000);
  whole('batchSize', 1, 256);
  whole('gradAccumulationSteps', 1, 1024);
  whole('seed', 0, 2 ** 31 - 1);
  whole('lrWarmupSteps', 0, 1_000_000);
  whole('numStepsBeforeDecay', 1, 10_000_000);
  whole('valFreq', 0, 1_000_000);
  whole('valSamples', 1, 100_000);
  whole('saveFreq', 1, 1_000_000);
  if (!(options.learningRate > 0 && options.learningRate <= 1)) errors.learningRate = 'Above 0, at most 1.';
  if (!(options.validationFraction >= 0 && options.validationFraction <= 0.5)) {
    errors.validationFraction = 'From 0 to 0.5.';
  }
  if (options.maxGradNorm !== null && !(options.maxGradNorm > 0))
    errors.maxGradNorm = 'Above 0, or empty for none.';
  const { lora } = options;
  if (lora) {
    if (!Number.isInteger(lora.r) || lora.r < 1 || lora.r > 1024)
      errors.r = 'A whole number from 1 to 1,024.';
    if (!(lora.alpha > 0)) errors.alpha = 'Above 0.';
    if (!(lora.dropout >= 0 && lora.dropout < 1)) errors.dropout = 'From 0, below 1.';
    if (typeof lora.targets === 'object' && lora.targets.pattern.trim() === '') {
      errors.pattern = 'A regular expression for whole module names.';
    }
  }
  return errors;
}
