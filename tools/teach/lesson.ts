/** What the tools of this folder have in common: how a run is set up, and how what it trained is written down. */
import { writeFile } from 'node:fs/promises';
import { exportCheckpoint } from '../../src/model/finetune/export-checkpoint.ts';
import { initialParameters } from '../../src/model/finetune/parameters.ts';
import type { TrainedState } from '../../src/model/finetune/trained.ts';
import { DEFAULT_TRAINING, Trainer, type SampleSource } from '../../src/model/finetune/trainer.ts';
import type { OwnConfig } from '../../src/model/policy/own-config.ts';
import type { Policy } from '../../src/model/policy/policy.ts';
import type { DatasetStatistics } from '../../src/model/policy/statistics.ts';
import { zipBlob } from '../../src/model/weights/zip-folder.ts';
import type { NodePolicy } from '../evaluate/node-policy.ts';

export interface LessonOptions {
  readonly steps: number;
  readonly batchSize: number;
  readonly learningRate: number;
  /** Steps after which the learning rate falls to a tenth; default never. */
  readonly decayAfter?: number;
  /** LoRA's rank, on all linear layers; alpha is the rank, at most 16. */
  readonly r: number;
  /** Of initial weights and of the order of samples. */
  readonly seed: number;
  /** Upstream's augmentation of the images; a policy trained with it has to be one with a center crop. Default false. */
  readonly imageAug?: boolean;
}

export interface Lesson {
  /** Name of the run. */
  readonly run: string;
  /** With the configuration that is trained. */
  readonly policy: Policy;
  /** Of another robot, whose head and projector begin anew; null to teach the policy's own robot more. */
  readonly own: OwnConfig | null;
  readonly train: SampleSource;
  /** Default none. */
  readonly validation?: SampleSource | null;
  readonly statistics: Readonly<Record<string, DatasetStatistics>>;
}

/** Gradients clipped to 1, as the page offers it for the practice table. */
export async function lessonTrainer(
  { run, policy, own, train, validation = null, statistics }: Lesson,
  { source }: NodePolicy,
  { steps, batchSize, learningRate, decayAfter, r, seed, imageAug = false }: LessonOptions,
): Promise<Trainer> {
  const parameters = await initialParameters(policy.config, source, {
    lora: { r, alpha: Math.min(r, 16), dropout: 0, targets: 'all-linear' },
    freshModules: own !== null,
    seed,
  });
  const options = {
    ...DEFAULT_TRAINING,
    seed,
    maxSteps: steps,
    batchSize,
    learningRate,
    ...(decayAfter === undefined ? {} : { numStepsBeforeDecay: decayAfter }),
    imageAug,
    maxGradNorm: 1,
  };
  return new Trainer({ run, policy, own, parameters, train, validation, options, statistics });
}

/** Upstream's folder as a zip, which the page and `evaluate --adapter` open. */
export async function writeCheckpoint(path: string, state: TrainedState, opened: NodePolicy): Promise<void> {
  const folder = exportCheckpoint(state, {
    config: opened.policy.config,
    source: opened.source,
    name: opened.name,
    tokenizer: new TextEncoder().encode(JSON.stringify(opened.tokenizer)),
  });
  await writeFile(path, new Uint8Array(await (await zipBlob(folder)).arrayBuffer()));
}
