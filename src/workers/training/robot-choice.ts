/** The robot that demonstrations are trained on as: guessed, chosen by hand, or the policy's own. */
import * as v from 'valibot';
import type { Dataset } from '../../episodes/dataset.ts';
import { ModelError } from '../../base/errors.ts';
import { UPSTREAM_STEPS } from '../../model/heads/diffusion.ts';
import { headOf, TRAINABLE_HEADS } from '../../model/heads/index.ts';
import type { PolicyConfig } from '../../model/policy/config.ts';
import { adaptedConfig, type OwnConfig } from '../../model/policy/own-config.ts';
import { profileSchema, type RobotProfile } from '../../model/policy/robot-profiles.ts';
import type { GuessedProfile } from '../../robot/guess-profile.ts';
import type { RobotChoice } from '../boundary/contract-demonstrations.ts';

/** What demonstrations are measured for, and trained as. */
export interface Target {
  /** Of the policy that is trained. */
  readonly config: PolicyConfig;
  /** Null where the policy is taught more of what it is for. */
  readonly robot: RobotChoice | null;
  /** Id of the adapter whose robot it is; null for the base's, or a new one. */
  readonly startFrom: string | null;
}

export const robotChoiceSchema = v.object({
  profile: profileSchema,
  cameras: v.array(v.string()),
  thinnedAs: v.array(v.picklist(['last', 'sum'])),
  head: v.picklist(TRAINABLE_HEADS),
  diffusionSteps: v.number(),
  film: v.boolean(),
});

/** As guessed, with the head that upstream recommends. */
export function guessedChoice({ profile, cameras, thinnedAs }: GuessedProfile): RobotChoice {
  return {
    profile: copied(profile),
    cameras: [...cameras],
    thinnedAs: [...thinnedAs],
    head: 'l1',
    diffusionSteps: UPSTREAM_STEPS.trainSteps,
    film: false,
  };
}

function copied({ actions, state, images, ...rest }: RobotProfile): RobotChoice['profile'] {
  return { ...rest, actions: [...actions], state: state && [...state], images: [...images] };
}

/** @param imageAug policies trained with augmentation see a center crop */
export function ownConfigFor(
  { profile, head, diffusionSteps, film }: RobotChoice,
  imageAug: boolean,
): OwnConfig {
  const steps = { trainSteps: diffusionSteps, inferenceSteps: diffusionSteps };
  return { profile, head, diffusion: headOf({ head }).denoises ? steps : null, film, centerCrop: imageAug };
}

/** The target of a robot chosen by hand. @throws ModelError `bad-input` for one that cannot be */
export function targetFor(base: PolicyConfig, robot: RobotChoice, startFrom: string | null): Target {
  const parsed = v.safeParse(robotChoiceSchema, robot);
  if (!parsed.success) {
    const issue = parsed.issues[0];
    throw new ModelError(
      'bad-input',
      `The robot's ${v.getDotPath(issue) ?? 'description'} is wrong: ${issue.message}.`,
      'Correct it, or take the guess.',
    );
  }
  const config = adaptedConfig(base, { own: ownConfigFor(robot, true), statistics: {} });
  return { config, robot, startFrom };
}

/** Rates this close are the same, as cameras and clocks drift. */
const RATE_TOLERANCE = 0.1;

/** Whether actions, state, cameras and rate are those of a policy: then they may be more of what it knows. */
export function isOfRobot(dataset: Dataset, { profile }: PolicyConfig): boolean {
  return (
    dataset.actionNames.length === profile.actions.length &&
    (profile.state === null || dataset.stateNames?.length === profile.state.length) &&
    dataset.cameras.length >= profile.images.length &&
    Math.abs(dataset.fps / profile.controlHz - 1) <= RATE_TOLERANCE
  );
}

/** Whether a dataset is recorded faster than the robot is to be controlled. */
export function isFaster(dataset: Pick<Dataset, 'fps'>, { controlHz }: RobotProfile): boolean {
  return dataset.fps / controlHz - 1 > RATE_TOLERANCE;
}
