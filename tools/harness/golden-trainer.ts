import type { Parameters } from '../../src/model/finetune/parameters.ts';
import { DEFAULT_TRAINING, Trainer, type SampleSource } from '../../src/model/finetune/trainer.ts';
import type { WeightSource } from '../../src/model/network/loaded-weights.ts';
import type { PolicyConfig } from '../../src/model/policy/config.ts';
import type { Runtime } from '../../src/model/runtime/runtime.ts';
import type { CaseFiles } from '../parity/golden.ts';
import { openTrainCase } from '../parity/train-case.ts';

/** A trainer on a golden case: its batch is the data set, its warm start the starting point. */
export async function goldenTrainer(
  files: CaseFiles,
  runtime: Runtime,
  options: {
    run: string;
    maxSteps: number;
    parameters?: (config: PolicyConfig, source: WeightSource) => Parameters;
  },
): Promise<Trainer> {
  const start = await openTrainCase(files, runtime, { bits: 32 });
  const { policy, config, source, samples } = start;
  const train: SampleSource = {
    count: samples.length,
    tokens: 0,
    sample: async (index) => samples[index]!,
  };
  return new Trainer({
    run: options.run,
    policy,
    parameters: options.parameters?.(config, source) ?? (await start.parameters('warm')),
    train,
    validation: null,
    options: {
      ...DEFAULT_TRAINING,
      maxSteps: options.maxSteps,
      batchSize: 1,
      imageAug: false,
      valFreq: 0,
      saveFreq: 1,
    },
    statistics: {},
  });
}
