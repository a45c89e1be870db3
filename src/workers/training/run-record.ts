/** What a checkpoint remembers of where its run came from. */
import * as v from 'valibot';
import { optionsOf } from '../../episodes/reading.ts';
import { loadCheckpointState, type CheckpointInfo } from '../../model/finetune/checkpoints.ts';
import type { ShardStore } from '../../model/weights/shard-store.ts';
import type { FineTuneOptions, RunInfo } from '../boundary/contract-finetune.ts';
import type { OpenedDemonstrations } from './demonstrations.ts';
import { robotChoiceSchema } from './robot-choice.ts';

const optionsSchema = v.object({
  run: v.string(),
  seed: v.number(),
  maxSteps: v.number(),
  batchSize: v.number(),
  gradAccumulationSteps: v.number(),
  learningRate: v.number(),
  lrWarmupSteps: v.number(),
  numStepsBeforeDecay: v.number(),
  maxGradNorm: v.nullable(v.number()),
  imageAug: v.boolean(),
  validationFraction: v.number(),
  valFreq: v.number(),
  valSamples: v.number(),
  saveFreq: v.number(),
  startFrom: v.optional(v.nullable(v.string()), null),
  lora: v.nullable(
    v.object({
      r: v.number(),
      alpha: v.number(),
      dropout: v.number(),
      targets: v.union([v.picklist(['all-linear', 'language-model']), v.object({ pattern: v.string() })]),
    }),
  ),
  freshModules: v.boolean(),
  statistics: v.optional(v.picklist(['demonstrations', 'policy']), 'demonstrations'),
  demonstrationWeight: v.optional(v.number(), 1),
  robot: v.optional(v.nullable(robotChoiceSchema), null),
});

const readingSchema = v.object({
  mapping: v.object({
    action: v.string(),
    state: v.pipe(v.array(v.string()), v.readonly()),
    cameras: v.pipe(v.array(v.string()), v.readonly()),
  }),
  standardise: v.boolean(),
  turned: v.picklist([0, 180]),
});

const recordSchema = v.object({
  packageUrl: v.string(),
  packageHash: v.string(),
  demonstrations: v.object({
    name: v.string(),
    url: v.nullable(v.string()),
    fingerprint: v.string(),
    reading: v.optional(v.nullable(readingSchema), null),
    episodes: v.optional(v.number(), 0),
    steps: v.optional(v.number(), 0),
    instructions: v.optional(v.array(v.string()), []),
  }),
  options: optionsSchema,
});

type RunRecord = v.InferOutput<typeof recordSchema>;

export function runRecord(
  options: FineTuneOptions,
  policy: { readonly url: string; readonly hash: string },
  opened: OpenedDemonstrations,
): RunRecord {
  const { name, fingerprint } = opened.info;
  const episodes = opened.info.episodes.filter(({ index }) => !opened.rehearsal.has(index));
  const steps = episodes.reduce((sum, { length }) => sum + length, 0);
  return {
    packageUrl: policy.url,
    packageHash: policy.hash,
    demonstrations: {
      name,
      url: opened.url,
      fingerprint,
      reading: opened.info.reading && optionsOf(opened.info.reading),
      episodes: episodes.length,
      steps,
      instructions: mostFrequent(episodes.map(({ instruction }) => instruction)),
    },
    options,
  };
}

/** Enough to say what was taught. */
const INSTRUCTIONS = 5;

function mostFrequent(instructions: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const text of instructions) if (text.trim()) counts.set(text, (counts.get(text) ?? 0) + 1);
  return [...counts]
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, INSTRUCTIONS)
    .map(([text]) => text);
}

/** Null for a checkpoint that was not written by the page. */
export async function runInfo(
  store: ShardStore,
  checkpoint: CheckpointInfo,
  checkpoints: readonly number[] = [checkpoint.step],
): Promise<RunInfo | null> {
  const state = await loadCheckpointState(store, checkpoint.run, checkpoint.step);
  const parsed = v.safeParse(recordSchema, state?.['record']);
  if (!parsed.success) return null;
  const { run, step, byteLength } = checkpoint;
  return {
    run,
    step,
    checkpoints: [...checkpoints],
    byteLength,
    maxSteps: parsed.output.options.maxSteps,
    ...parsed.output,
  };
}
