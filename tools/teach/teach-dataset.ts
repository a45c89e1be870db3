/** A policy is taught the robot of a dataset, as the page does it: its profile is guessed, head and projectors are new. */
import { ModelError } from '../../src/base/errors.ts';
import { DemonstrationSource } from '../../src/model/finetune/demonstrations.ts';
import { LoadedAdapter } from '../../src/model/finetune/loaded-adapter.ts';
import type { Sample } from '../../src/model/finetune/micro-batch.ts';
import type { TrainedState } from '../../src/model/finetune/trained.ts';
import { headOf, type TrainableHead } from '../../src/model/heads/index.ts';
import { normalizeActions, type DatasetStatistics } from '../../src/model/policy/statistics.ts';
import type { RobotProfile } from '../../src/model/policy/robot-profiles.ts';
import type { Dataset } from '../../src/episodes/dataset.ts';
import { changeDemonstrations, demonstrationsOf } from '../../src/workers/training/demonstrations.ts';
import { ownConfigFor, targetFor } from '../../src/workers/training/robot-choice.ts';
import type { NodePolicy } from '../evaluate/node-policy.ts';
import { lessonTrainer, type LessonOptions } from './lesson.ts';

export interface TeachOptions extends LessonOptions {
  readonly head: TrainableHead;
  readonly onStep?: (step: number, loss: number) => void;
}

export interface Taught {
  readonly profile: RobotProfile;
  readonly samples: number;
  /** Mean loss of the last fifth of the steps. */
  readonly loss: number;
  /** What the same loss is for who always predicts the mean action, or the mean of the noise. Null for tokens. */
  readonly lossOfMean: number | null;
  readonly msPerStep: number;
  readonly first: Sample;
  /** Of the first sample, in the dataset's own units [chunk][dim]. */
  readonly predicted: readonly (readonly number[])[];
  readonly state: TrainedState;
}

/** @throws ModelError `bad-input` for a dataset that no policy can be taught, saying what to do */
export async function teachDataset(
  dataset: Dataset,
  opened: NodePolicy,
  options: TeachOptions,
): Promise<Taught> {
  const base = opened.policy.config;
  const policies = { base, other: null };
  const read = await demonstrationsOf(dataset, policies);
  const { guess } = read.info.robot;
  const robot = guess && { ...guess, head: options.head };
  const taken = robot
    ? await changeDemonstrations(read, { target: targetFor(base, robot, null) }, policies)
    : read;
  const [problem] = taken.info.problems;
  if (!robot || problem) {
    const { found, needed, hint } = problem ?? { found: 'nothing to teach', needed: 'a robot', hint: '' };
    throw new ModelError('bad-input', `${dataset.name}: ${found}; needed: ${needed}.`, hint);
  }
  const { config } = taken.target;
  const own = ownConfigFor(robot, false);
  const { statistics } = taken;
  const [unnormKey] = Object.keys(statistics);
  const policy = await opened.policy.withConfig({ ...config, centerCrop: false }, opened.source);
  const train = new DemonstrationSource(taken.dataset, {
    config,
    tokenize: opened.tokenize,
    statistics: statistics[unnormKey!]!,
    cameras: robot.cameras,
  });
  const { head, steps } = options;
  const lesson = { run: `${dataset.name} ${head}`, policy, own, train, statistics };
  const trainer = await lessonTrainer(lesson, opened, options);
  try {
    const losses: number[] = [];
    const start = performance.now();
    while (!trainer.done) {
      const { step, loss } = await trainer.trainStep();
      losses.push(loss);
      options.onStep?.(step, loss);
    }
    const msPerStep = (performance.now() - start) / steps;
    const last = losses.slice(-Math.max(1, Math.round(steps / 5)));
    const state = await trainer.trained();
    trainer.dispose();
    const adapter = new LoadedAdapter(policy.runtime, base, state);
    policy.use(adapter);
    const first = await train.sample(0, null);
    const predicted = await chunkOf(first, policy, unnormKey!, statistics);
    policy.use(null);
    adapter.dispose();
    return {
      profile: config.profile,
      samples: train.count,
      loss: last.reduce((sum, loss) => sum + loss, 0) / last.length,
      lossOfMean: await lossOfMean(head, taken.dataset, config.profile, statistics[unnormKey!]!),
      msPerStep,
      first,
      predicted,
      state,
    };
  } finally {
    await policy.dispose();
  }
}

async function chunkOf(
  { pixels, promptIds, proprio }: Sample,
  policy: NodePolicy['policy'],
  unnormKey: string,
  statistics: Parameters<NodePolicy['policy']['unnormalize']>[2],
): Promise<number[][]> {
  const { network, profile } = policy.config;
  const side = network.vits[0]!.imageSize;
  const tensor = policy.runtime.upload(pixels, [profile.images.length, 3 * network.vits.length, side, side]);
  try {
    const given = { pixels: tensor, promptIds, proprio: proprio && [...proprio] };
    return policy.unnormalize(await policy.predict(given), unnormKey, statistics);
  } finally {
    tensor.dispose();
  }
}

async function lossOfMean(
  head: TrainableHead,
  dataset: Dataset,
  profile: RobotProfile,
  statistics: DatasetStatistics,
): Promise<number | null> {
  // Noise is standard normal: its mean is 0, and the mean square of what is left 1.
  if (headOf({ head }).denoises) return 1;
  if (headOf({ head }).lmHead) return null;
  const dim = profile.actions.length;
  const actions: number[] = [];
  for (const { index } of dataset.episodes) {
    const episode = await dataset.open(index);
    for (let step = 0; step < episode.length; step++) {
      const row = episode.actions.subarray(step * dim, (step + 1) * dim);
      actions.push(...normalizeActions(row, statistics, profile));
    }
    episode.close();
  }
  const steps = actions.length / dim;
  const means = Array.from({ length: dim }, (_, i) => {
    let sum = 0;
    for (let step = 0; step < steps; step++) sum += actions[step * dim + i]!;
    return sum / steps;
  });
  return actions.reduce((sum, value, i) => sum + Math.abs(value - means[i % dim]!), 0) / actions.length;
}
