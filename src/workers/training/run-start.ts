import type { Checkpoint } from '../../model/finetune/checkpoints.ts';
import {
  continuedParameters,
  initialParameters,
  shapesOf,
  trainedFromCheckpoint,
  type Parameters,
} from '../../model/finetune/parameters.ts';
import type { TrainedState } from '../../model/finetune/trained.ts';
import type { TrainingOptions } from '../../model/finetune/trainer.ts';
import { adaptedConfig, type OwnConfig } from '../../model/policy/own-config.ts';
import type { DatasetStatistics } from '../../model/policy/statistics.ts';
import type { AdaptersHost } from '../policy/adapters-host.ts';
import type { FineTuneOptions } from '../boundary/contract-finetune.ts';
import type { OpenedDemonstrations } from './demonstrations.ts';
import type { PolicyFacts } from '../policy/loaded-policy.ts';
import { ownConfigFor } from './robot-choice.ts';
import { runStatistics } from './training-data.ts';

export interface RunStart {
  readonly options: FineTuneOptions;
  readonly facts: PolicyFacts;
  readonly opened: OpenedDemonstrations;
  /** Where a resumed run goes on. */
  readonly checkpoint: Checkpoint | null;
}

/** What the policy is when a run begins, and what it normalises with. */
interface StartingPoint {
  readonly own: OwnConfig | null;
  readonly statistics: Readonly<Record<string, DatasetStatistics>>;
  readonly parameters: Parameters;
}

export async function startingPoint(start: RunStart, adapters: AdaptersHost): Promise<StartingPoint> {
  const { options, facts } = start;
  const { before, own, statistics } = await startedFrom(start, adapters);
  const parameters = before
    ? continuedParameters(facts.config, shapesOf(facts.source), { ...before, own })
    : await initialParameters(adaptedConfig(facts.config, { own, statistics }), facts.source, options);
  return { own, statistics, parameters };
}

async function startedFrom(
  { options, facts, opened, checkpoint }: RunStart,
  adapters: AdaptersHost,
): Promise<Omit<StartingPoint, 'parameters'> & { readonly before: TrainedState | null }> {
  if (checkpoint) {
    const before = trainedFromCheckpoint(facts.config, shapesOf(facts.source), checkpoint);
    return { before, own: before.own, statistics: before.statistics as Record<string, DatasetStatistics> };
  }
  const before = options.startFrom === null ? null : await adapters.state(options.startFrom);
  const own = options.robot ? ownConfigFor(options.robot, options.imageAug) : (before?.own ?? null);
  return { before, own, statistics: runStatistics(opened, options, facts, adapters) };
}

export function trainingOptions(options: FineTuneOptions): TrainingOptions {
  const {
    run: _run,
    validationFraction: _fraction,
    lora: _lora,
    freshModules: _fresh,
    startFrom: _start,
    statistics: _statistics,
    demonstrationWeight: _weight,
    robot: _robot,
    ...training
  } = options;
  return training;
}
