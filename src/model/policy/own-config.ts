/** What an adapter brings of a policy's configuration: its robot, its head, FiLM. The rest is the base's. */
import * as v from 'valibot';
import { ModelError } from '../../base/errors.ts';
import { headOf, TRAINABLE_HEADS, type HeadKind, type TrainableHead } from '../heads/index.ts';
import type { PolicyConfig } from './config.ts';
import { profileSchema, type RobotProfile } from './robot-profiles.ts';
import type { DatasetStatistics } from './statistics.ts';

export interface OwnConfig {
  readonly profile: RobotProfile;
  readonly head: TrainableHead;
  /** DDIM steps in training and at inference; null unless the head is a diffusion head. */
  readonly diffusion: { readonly trainSteps: number; readonly inferenceSteps: number } | null;
  readonly film: boolean;
  /** As for policies trained with image augmentation. */
  readonly centerCrop: boolean;
}

const steps = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1000));

export const ownConfigSchema = v.pipe(
  v.object({
    profile: profileSchema,
    head: v.picklist(TRAINABLE_HEADS),
    diffusion: v.nullable(v.object({ trainSteps: steps, inferenceSteps: steps })),
    film: v.boolean(),
    centerCrop: v.boolean(),
  }),
  v.check(
    ({ head, diffusion }) => headOf({ head }).denoises === (diffusion !== null),
    'diffusion steps belong to a diffusion head, and to no other',
  ),
);

/** Beside upstream's files in our exports; Python does not read it. */
export const PROFILE_FILE = 'robot_profile.json';

/** What the rest of a checkpoint folder tells of its robot and head. */
export interface FoundSizes {
  /** Key of the statistics that un-normalise, and their dimensions. */
  readonly key: string;
  readonly actions: number;
  /** Numbers that the proprio projector takes, null where there is none; undefined where that was not looked at. */
  readonly state?: number | null;
  /** Undefined where that was not looked at. */
  readonly head?: HeadKind | null;
}

const contradicted = (said: string): ModelError =>
  new ModelError('bad-file', `${PROFILE_FILE} ${said}.`, 'Take all files from the same checkpoint.');

/** The content of `PROFILE_FILE`. @throws ModelError `bad-file` where it is not one, or the rest of its folder contradicts it */
export function parseOwnConfig(json: unknown, found: FoundSizes): OwnConfig {
  const parsed = v.safeParse(ownConfigSchema, json);
  if (!parsed.success) {
    const issue = parsed.issues[0];
    throw new ModelError(
      'bad-file',
      `${PROFILE_FILE}: ${v.getDotPath(issue) ?? 'it'}: ${issue.message}.`,
      'Take the folder as it was exported.',
    );
  }
  const own = parsed.output;
  const { actions, state } = own.profile;
  if (actions.length !== found.actions)
    throw contradicted(
      `describes a robot of ${actions.length} action dimensions; the statistics "${found.key}" have ${found.actions}`,
    );
  if (found.state !== undefined && found.state !== (state?.length ?? null))
    throw contradicted(
      `describes a robot ${state ? `whose state has ${state.length} numbers` : 'without a state'}; ` +
        (found.state === null
          ? 'there is no proprio projector'
          : `the proprio projector takes ${found.state}`),
    );
  const ownHead = headOf(own).prefix === null ? null : own.head;
  if (found.head !== undefined && found.head !== ownHead)
    throw contradicted(
      `says that the head is "${own.head}"; the folder has ${found.head ? `a head of kind "${found.head}"` : 'no action head'}`,
    );
  return own;
}

/**
 * The configuration of base and adapter together: what is in use.
 * @param state what the adapter brings; `own` null for one of the base's own robot and head
 */
export function adaptedConfig(
  base: PolicyConfig,
  state: { readonly own: OwnConfig | null; readonly statistics: Readonly<Record<string, unknown>> },
): PolicyConfig {
  const { own } = state;
  const statistics = state.statistics as Readonly<Record<string, DatasetStatistics>>;
  const [key] = Object.keys(statistics);
  const named = key === undefined ? {} : { statistics, defaultUnnormKey: key };
  if (!own) return { ...base, ...named };
  const { profile, head, diffusion, film, centerCrop } = own;
  const { vits, language } = base.network;
  return {
    ...base,
    ...named,
    profile,
    head,
    diffusion,
    centerCrop,
    bridge: null,
    network: {
      ...base.network,
      vits: vits.map((vit) => ({ ...vit, film })),
      // A chunk in one pass sees in both directions (OpenVLA-OFT, section 3), whatever the base was trained to do.
      language: { ...language, attention: 'bidirectional' },
    },
  };
}

/** Whether two configurations are of one robot, with one head: what is in use need not be made anew then. */
export function sameShape(a: PolicyConfig, b: PolicyConfig): boolean {
  const { profile: p, head, diffusion, network } = a;
  const { profile: q } = b;
  return (
    head === b.head &&
    diffusion?.trainSteps === b.diffusion?.trainSteps &&
    p.chunkSize === q.chunkSize &&
    p.actions.length === q.actions.length &&
    p.state?.length === q.state?.length &&
    p.images.length === q.images.length &&
    network.vits.every(({ film }, i) => film === b.network.vits[i]?.film)
  );
}
