/** A fine-tuning run, step by step: batches by accumulation, AdamW, learning rate, validation, and its state as data. */
import * as v from 'valibot';
import { ModelError } from '../../base/errors.ts';
import { sizeOf, type Shape } from '../graph/types.ts';
import type { Draws } from '../heads/head.ts';
import { headOf } from '../heads/index.ts';
import { Tape } from '../network/tape.ts';
import type { OwnConfig } from '../policy/own-config.ts';
import type { Policy } from '../policy/policy.ts';
import { Random } from '../../base/random.ts';
import type { Tensor } from '../runtime/runtime.ts';
import { ADAMW, type AdamWOptions } from './arena.ts';
import type { Checkpoint } from './checkpoints.ts';
import type { Sample } from './micro-batch.ts';
import { runPass, type Metrics } from './pass.ts';
import type { Parameters } from './parameters.ts';
import { trainedState } from './parameters.ts';
import { Sampler } from './sampler.ts';
import { learningRateAt } from './schedule.ts';
import { canStream, Trainables } from './trainables.ts';
import type { HostTensor, TrainedState } from './trained.ts';

/** Samples by index. `augment` is a number in [0, 1) per image, or null to leave images as they are. */
export interface SampleSource {
  readonly count: number;
  sample(index: number, augment: readonly number[] | null): Promise<Sample>;
  /** Tokens of the longest sample: batches are padded to it, so that graphs have one shape. */
  readonly tokens: number;
}

/** finetune.py's configuration, under its names where it has one. */
export interface TrainingOptions {
  readonly seed: number;
  readonly maxSteps: number;
  /** Samples per pass. */
  readonly batchSize: number;
  /** Passes per optimiser step. */
  readonly gradAccumulationSteps: number;
  readonly learningRate: number;
  readonly lrWarmupSteps: number;
  readonly numStepsBeforeDecay: number;
  /** Null for none, as finetune.py. */
  readonly maxGradNorm: number | null;
  readonly imageAug: boolean;
  /** Optimiser steps between validations; 0 for none. */
  readonly valFreq: number;
  /** Most samples of one validation. */
  readonly valSamples: number;
  /** Optimiser steps between checkpoints. */
  readonly saveFreq: number;
}

export const DEFAULT_TRAINING: TrainingOptions = {
  seed: 7,
  maxSteps: 200,
  batchSize: 8,
  gradAccumulationSteps: 1,
  learningRate: 5e-4,
  lrWarmupSteps: 0,
  numStepsBeforeDecay: 100_000,
  maxGradNorm: null,
  imageAug: true,
  valFreq: 50,
  valSamples: 64,
  saveFreq: 50,
};

export interface StepReport extends Metrics {
  /** Optimiser steps done, this one included. */
  readonly step: number;
  readonly learningRate: number;
  /** L2 norm of all gradients, before clipping. */
  readonly gradNorm: number;
}

export interface ValidationReport {
  readonly step: number;
  readonly loss: number;
  readonly currentL1: number | null;
  readonly nextL1: number | null;
  readonly samples: number;
}

const nullable = v.nullable(v.number());
const historySchema = v.object({
  steps: v.array(
    v.object({
      step: v.number(),
      loss: v.number(),
      currentL1: nullable,
      nextL1: nullable,
      currentAccuracy: nullable,
      nextAccuracy: nullable,
      learningRate: v.number(),
      gradNorm: v.number(),
    }),
  ),
  validations: v.array(
    v.object({
      step: v.number(),
      loss: v.number(),
      currentL1: nullable,
      nextL1: nullable,
      samples: v.number(),
    }),
  ),
});

/** All reports so far; part of every checkpoint, so that the curves are whole after a resume. */
export interface History {
  readonly steps: readonly StepReport[];
  readonly validations: readonly ValidationReport[];
}

export interface TrainerParts {
  readonly run: string;
  /** With the configuration that is trained. */
  readonly policy: Policy;
  /** What of it is not the base's; default nothing. */
  readonly own?: OwnConfig | null;
  readonly parameters: Parameters;
  readonly train: SampleSource;
  /** Empty or null for none. */
  readonly validation: SampleSource | null;
  readonly options: TrainingOptions;
  /** dataset_statistics.json's content, for export. */
  readonly statistics: Readonly<Record<string, unknown>>;
}

/** Streams of random numbers, so that none depends on how often another was asked. */
const SAMPLE = 3;
const AUGMENT = 4;
const VALIDATION = 5;
const DROPOUT = 6;
const PASS = 7;

export class Trainer {
  readonly options: TrainingOptions;
  readonly trainables: Trainables;
  readonly #parts: TrainerParts;
  readonly #sampler: Sampler;
  readonly #adamw: AdamWOptions;
  readonly #tokens: number;
  #steps: StepReport[] = [];
  #validations: ValidationReport[] = [];

  /** The policy uses the trained parameters from here on, until `dispose`. */
  constructor(parts: TrainerParts) {
    const { policy, parameters, train, validation, options } = parts;
    if (train.count === 0) {
      throw new ModelError(
        'bad-input',
        'There is nothing to train on: no episode is as long as a chunk of actions.',
        'Record longer episodes, or add more of them.',
      );
    }
    this.#parts = parts;
    this.options = options;
    this.#sampler = new Sampler(options.seed, train.count);
    this.#tokens = Math.max(train.tokens, validation?.tokens ?? 0);
    this.#adamw = { ...ADAMW, maxGradNorm: options.maxGradNorm };
    const { lora } = parameters;
    const streamed = canStream(options, policy.network.partition);
    const scaling = lora ? lora.alpha / lora.r : 1;
    this.trainables = new Trainables(policy.runtime, parameters.trained, scaling, { streamed });
    policy.use(this.trainables);
  }

  get run(): string {
    return this.#parts.run;
  }

  /** Optimiser steps done. */
  get step(): number {
    return this.trainables.steps;
  }

  get done(): boolean {
    return this.step >= this.options.maxSteps;
  }

  get history(): History {
    return { steps: this.#steps, validations: this.#validations };
  }

  get batch(): number {
    return this.options.batchSize * this.options.gradAccumulationSteps;
  }

  /**
   * One optimiser step. What it trains on follows from the seed and the step's index alone.
   * @throws ModelError when running fails; the parameters are then those before the step, or, where gradients are used up as they come, cannot be
   *   used any more
   */
  async trainStep(): Promise<StepReport> {
    try {
      return await this.#trainStep();
    } catch (error) {
      this.trainables.discardGradients();
      throw error;
    }
  }

  async #trainStep(): Promise<StepReport> {
    const { policy, train } = this.#parts;
    const { seed, batchSize, gradAccumulationSteps, imageAug } = this.options;
    const index = this.step;
    const images = policy.config.profile.images.length;
    const learningRate = learningRateAt(index, {
      learningRate: this.options.learningRate,
      warmupSteps: this.options.lrWarmupSteps,
      stepsBeforeDecay: this.options.numStepsBeforeDecay,
    });
    const adamw = { ...this.#adamw, learningRate };
    const passes: Metrics[] = [];
    for (let pass = 0; pass < gradAccumulationSteps; pass++) {
      const samples: Sample[] = [];
      for (let i = 0; i < batchSize; i++) {
        const position = index * this.batch + pass * batchSize + i;
        const random = new Random(seed, AUGMENT, position);
        const augment = imageAug ? Array.from({ length: images }, () => random.uniform()) : null;
        samples.push(await train.sample(this.#sampler.at(position), augment));
      }
      const tape = new Tape({
        ...(this.trainables.stream(adamw) ?? this.trainables.tapeOptions),
        dropout: this.#dropout(index * gradAccumulationSteps + pass),
      });
      passes.push(
        await runPass(policy, samples, {
          factor: 1 / gradAccumulationSteps,
          tape,
          tokens: this.#tokens,
          draws: this.#draw(SAMPLE, index * this.batch + pass * batchSize, batchSize, {
            pass: index * gradAccumulationSteps + pass,
          }),
        }),
      );
    }
    const gradNorm = await this.trainables.step(adamw);
    const report = { step: this.step, learningRate, gradNorm, ...mean(passes) };
    this.#steps.push(report);
    if (!Number.isFinite(report.loss) || !Number.isFinite(gradNorm)) {
      throw new ModelError(
        'diverged',
        `The run diverged at step ${report.step}: loss ${report.loss}, gradient norm ${gradNorm}.`,
        'Go back to an earlier checkpoint and take a smaller learning rate, or clip gradients.',
      );
    }
    return report;
  }

  /** Loss and L1 on held-out samples, always the same ones; null without any. Parameters are not changed. */
  async validate(signal?: AbortSignal): Promise<ValidationReport | null> {
    const { policy, validation } = this.#parts;
    if (!validation || validation.count === 0) return null;
    const count = Math.min(validation.count, this.options.valSamples);
    const order = new Sampler(this.options.seed + VALIDATION, validation.count);
    const passes: { metrics: Metrics; size: number }[] = [];
    for (let start = 0; start < count; start += this.options.batchSize) {
      if (signal?.aborted) throw new ModelError('cancelled', 'The validation was cancelled.');
      const size = Math.min(this.options.batchSize, count - start);
      const samples: Sample[] = [];
      for (let i = 0; i < size; i++) samples.push(await validation.sample(order.at(start + i), null));
      const draws = this.#draw(VALIDATION, start, size, { pass: null });
      const metrics = await runPass(policy, samples, { tokens: this.#tokens, draws });
      passes.push({ metrics, size });
    }
    const report = { step: this.step, samples: count, ...weighted(passes) };
    this.#validations.push(report);
    return report;
  }

  /** The run as data, from which `restore` goes on exactly. */
  async checkpoint(): Promise<Checkpoint> {
    const tensors = await this.trainables.state();
    for (const [name, tensor] of this.#parts.parameters.idle) tensors.set(`parameter/${name}`, tensor);
    const { run, own = null, parameters, statistics } = this.#parts;
    const state = {
      ...(own ? { own } : {}),
      options: this.options,
      history: this.history,
      lora: parameters.lora,
      modules: parameters.modules.map(({ name }) => name),
      statistics,
    };
    return { run, step: this.step, state, tensors };
  }

  /** @throws ModelError `bad-file` where the checkpoint belongs to another run; nothing is changed then */
  restore(checkpoint: Checkpoint): void {
    const history = v.safeParse(historySchema, checkpoint.state['history']);
    const wrong = history.success
      ? this.trainables.restore(checkpoint.step, checkpoint.tensors)
      : ['history'];
    if (wrong.length > 0 || !history.success) {
      throw new ModelError(
        'bad-file',
        `The checkpoint of step ${checkpoint.step} does not fit this run: ${wrong.length} of its parts are missing or ` +
          `of another size, first "${wrong[0]}".`,
        'Resume it with the policy and the LoRA options it was started with.',
      );
    }
    this.#steps = history.output.steps.filter(({ step }) => step <= checkpoint.step);
    this.#validations = history.output.validations.filter(({ step }) => step <= checkpoint.step);
  }

  /** What has been trained so far, for export and sharing. */
  async trained(): Promise<TrainedState> {
    const { run, own = null, parameters, statistics } = this.#parts;
    const values = new Map<string, HostTensor>(parameters.idle);
    for (const name of this.trainables.names) values.set(name, await this.trainables.value(name));
    return trainedState({ run, step: this.step, own, statistics }, parameters, values);
  }

  /** Frees the parameters; the policy is the base again. */
  dispose(): void {
    this.#parts.policy.use(null);
    this.trainables.dispose();
  }

  /** LoRA's dropout of one pass: masks in the order the layers run. */
  #dropout(pass: number): ((shape: Shape) => Tensor) | null {
    const { policy, parameters } = this.#parts;
    const p = parameters.lora?.dropout ?? 0;
    if (p === 0) return null;
    const random = new Random(this.options.seed, DROPOUT, pass);
    return (shape) => {
      const mask = Float32Array.from({ length: sizeOf(shape) }, () =>
        random.uniform() < p ? 0 : 1 / (1 - p),
      );
      return policy.runtime.upload(mask, shape);
    };
  }

  /** What the head draws for the samples from `position` on. Nothing is drawn for a whole pass in a validation. */
  #draw(
    stream: number,
    position: number,
    size: number,
    { pass }: { readonly pass: number | null },
  ): Draws | null {
    const { seed } = this.options;
    const { config } = this.#parts.policy;
    return headOf(config).draw(config, size, {
      sample: (i) => new Random(seed, stream, position + i),
      pass: pass === null ? null : new Random(seed, PASS, pass),
    });
  }
}

function mean(passes: readonly Metrics[]): Metrics {
  return weighted(passes.map((metrics) => ({ metrics, size: 1 })));
}

function weighted(passes: readonly { metrics: Metrics; size: number }[]): Metrics {
  const total = passes.reduce((sum, { size }) => sum + size, 0);
  const of = (key: keyof Metrics): number | null => {
    let sum = 0;
    for (const { metrics, size } of passes) {
      const value = metrics[key];
      if (value === null) return null;
      sum += value * size;
    }
    return sum / total;
  };
  return {
    loss: of('loss')!,
    currentL1: of('currentL1'),
    nextL1: of('nextL1'),
    currentAccuracy: of('currentAccuracy'),
    nextAccuracy: of('nextAccuracy'),
  };
}
