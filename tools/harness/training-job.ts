import type { Runtime } from '../../src/model/runtime/runtime.ts';
import { benchTraining, type TrainingBench } from '../bench/training.ts';
import type { JobArguments } from './page.ts';
import { servedFolder } from './parity-job.ts';

/** LoRA steps of a golden folder served by `serveFolders`. */
export async function runTrainingJob(runtime: Runtime, args: JobArguments): Promise<TrainingBench> {
  return benchTraining(servedFolder(args), runtime, args as unknown as { bits: 32 | 8 | 4; steps: number });
}
