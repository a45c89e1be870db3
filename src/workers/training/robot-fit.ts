/** Demonstrations and robots: what is guessed of theirs, whose they are, and what keeps a chosen one from being taught. */
import type { Dataset } from '../../episodes/dataset.ts';
import { checkFit } from '../../episodes/fit.ts';
import { actionKinds } from '../../episodes/quality/action-kinds.ts';
import { fieldsOf, type Motion } from '../../episodes/quality/columns.ts';
import type { DatasetStatistics } from '../../episodes/statistics.ts';
import { thinning, type ThinnedAs } from '../../episodes/thinned-dataset.ts';
import { ModelError } from '../../base/errors.ts';
import { guessProfile, type GuessedProfile } from '../../robot/guess-profile.ts';
import type { RobotProfile } from '../../robot/robot.ts';
import type {
  FitNote,
  GuessedDimension,
  RobotChoice,
  RobotInfo,
} from '../boundary/contract-demonstrations.ts';
import type { Policies } from './demonstrations.ts';
import { guessedChoice, isOfRobot, targetFor, type Target } from './robot-choice.ts';

/** Episodes whose actions are compared with what the state does after them. */
const LOOKED_AT = 20;
/** As upstream's largest policies. */
const MOST_IMAGES = 3;

export interface Guess {
  readonly profile: GuessedProfile | null;
  /** Why no policy can be taught. */
  readonly problems: readonly FitNote[];
}

/** @param known the robot that recorded it, where that is known */
export async function guess(
  dataset: Dataset,
  statistics: DatasetStatistics,
  known: RobotProfile | null = null,
): Promise<Guess> {
  const motions: Motion[] = [];
  for (const { index } of dataset.episodes.slice(0, LOOKED_AT)) {
    const episode = await dataset.open(index);
    motions.push(episode);
    episode.close();
  }
  try {
    const kinds = actionKinds(motions, fieldsOf(motions, dataset));
    const proprio = dataset.stateNames ? statistics.proprio : null;
    const guessed = guessProfile(dataset, { action: statistics.action, proprio }, kinds);
    return { profile: known ? { ...guessed, profile: known } : guessed, problems: [] };
  } catch (error) {
    if (!(error instanceof ModelError) || error.code !== 'bad-input') throw error;
    const found = error.message.replace(/\.$/, '');
    const note = { id: 'robot', found, needed: 'a camera, actions and steps', hint: error.hint };
    return { profile: null, problems: [note] };
  }
}

/** The robot in use, or the policy's, where they may be of it; else a new one. */
export function targetOf(
  dataset: Dataset,
  { base, other }: Policies,
  guessed: GuessedProfile | null,
): Target {
  if (other && isOfRobot(dataset, other.config)) {
    return { config: other.config, robot: null, startFrom: other.id };
  }
  if (!guessed || isOfRobot(dataset, base)) return { config: base, robot: null, startFrom: null };
  return targetFor(base, guessedChoice(guessed), null);
}

/** What the actions become at a lower rate: as chosen, else as they look. */
export function thinnedAs({ robot }: Target, { profile }: Guess): readonly ThinnedAs[] {
  return robot?.thinnedAs ?? profile?.thinnedAs ?? [];
}

/** A policy's own mask stays; of a new robot everything is normalised, as upstream does for joints. */
export function masked(
  statistics: DatasetStatistics,
  dataset: Dataset,
  { config, robot }: Target,
): DatasetStatistics {
  const own = robot ? undefined : config.statistics[config.defaultUnnormKey]?.action.mask;
  const mask = own?.length === dataset.actionNames.length ? own : dataset.actionNames.map(() => true);
  return { ...statistics, action: { ...statistics.action, mask: [...mask] } };
}

function dimensionOf({
  name,
  unit,
  certain,
  choices,
  kind,
}: GuessedProfile['actions'][number]): GuessedDimension {
  return { name, unit, certain, choices: [...choices], kind };
}

export function robotInfo(
  dataset: Dataset,
  statistics: DatasetStatistics,
  { base, other }: Policies,
  { robot, startFrom, config }: Target,
  { profile }: Guess,
  faster: boolean,
): RobotInfo {
  const { controlHz } = config.profile;
  const inUse = (other?.config ?? base).profile;
  const longest = Math.max(0, ...dataset.episodes.map(({ length }) => length));
  return {
    choice: robot,
    startFrom,
    guess: profile && guessedChoice(profile),
    actions: profile?.actions.map(dimensionOf) ?? [],
    state: profile?.state?.map(dimensionOf) ?? null,
    inUse: inUse.name,
    differs: checkFit(dataset, inUse, statistics).problems.filter(({ id }) =>
      ['actions', 'state', 'rate', 'cameras'].includes(id),
    ),
    thinning: faster ? thinning(dataset, controlHz) : null,
    longest: faster ? Math.floor((longest * controlHz) / dataset.fps) : longest,
  };
}

/** Whether several steps become one by their sum or by the last of them cannot be told, but it decides what the robot does. */
export function unclearThinning({ robot }: Target, { profile }: Guess, faster: boolean): FitNote[] {
  const unclear = (profile?.actions ?? []).filter(({ kind, isGripper }) => kind === 'unclear' && !isGripper);
  if (!faster || robot || unclear.length === 0) return [];
  return [
    {
      id: 'thinning',
      found: `actions that may be targets or differences: ${unclear.map(({ name }) => name).join(', ')}`,
      needed: 'to know which, as differences are summed when steps are left out',
      hint: 'They are taken as targets. Train them as a robot of their own, where that can be chosen.',
    },
  ];
}

/** What a chosen robot lacks; sizes, rate and length are told by `checkFit`. */
export function robotProblems({ profile, cameras }: RobotChoice, dataset: Dataset): FitNote[] {
  const problems: FitNote[] = [];
  const { images } = profile;
  const all = dataset.cameras.map(({ name }) => name);
  if (images.length > MOST_IMAGES) {
    problems.push({
      id: 'cameras',
      found: `${images.length} cameras`,
      needed: `${MOST_IMAGES} at most`,
      hint: `Choose the ${MOST_IMAGES} that show most: every image makes the policy slower.`,
    });
  }
  const missing = images.flatMap(({ label }, i) => (all.includes(cameras[i] ?? '') ? [] : [label]));
  if (missing.length > 0) {
    problems.push({
      id: 'slots',
      found: `no camera for ${missing.join(', ')}`,
      needed: `one of ${all.join(', ')}`,
      hint: 'Choose a camera for every image, or take fewer images.',
    });
  }
  if (new Set(cameras).size < cameras.length) {
    problems.push({
      id: 'slots',
      found: 'one camera for two images',
      needed: 'a camera of its own for each',
      hint: 'Choose another one, or take fewer images.',
    });
  }
  return problems;
}
