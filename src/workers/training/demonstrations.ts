/** Demonstrations as the worker opens them: read, measured, checked against the policy. */
import type { Dataset } from '../../episodes/dataset.ts';
import { editedDataset, type Edits } from '../../episodes/edited-dataset.ts';
import { checkFit, samplesIn } from '../../episodes/fit.ts';
import { memoryDataset } from '../../episodes/memory-dataset.ts';
import { openDataset } from '../../episodes/open-dataset.ts';
import { datasetStatistics, type FieldStatistics } from '../../episodes/statistics.ts';
import { thinnedDataset } from '../../episodes/thinned-dataset.ts';
import { blobFolder } from '../../io/blob-folder.ts';
import { blobReader } from '../../io/byte-reader.ts';
import type { Folder } from '../../io/folder.ts';
import { openAddress } from '../../io/open-address.ts';
import { zipFolder } from '../../io/zip-folder.ts';
import { ModelError } from '../../base/errors.ts';
import type { PolicyConfig } from '../../model/policy/config.ts';
import type { RobotProfile } from '../../model/policy/robot-profiles.ts';
import type { DatasetStatistics } from '../../model/policy/statistics.ts';
import { sha256Hex } from '../../base/sha256.ts';
import type {
  DemonstrationsInfo,
  DemonstrationsSource,
  DimensionStatistics,
  FitNote,
} from '../boundary/contract-demonstrations.ts';
import { isFaster, type Target } from './robot-choice.ts';
import {
  guess,
  masked,
  robotInfo,
  robotProblems,
  targetOf,
  thinnedAs,
  unclearThinning,
} from './robot-fit.ts';

export interface OpenedDemonstrations {
  /** As read; the edits are laid over it. */
  readonly original: Dataset;
  /** What is trained on: edited, and thinned to the robot's rate. */
  readonly dataset: Dataset;
  readonly edits: Edits;
  /** Episodes that are there so that nothing is forgotten. */
  readonly rehearsal: ReadonlySet<number>;
  readonly info: DemonstrationsInfo;
  readonly target: Target;
  /** dataset_statistics.json's content: one entry, under the dataset's name. */
  readonly statistics: Readonly<Record<string, DatasetStatistics>>;
  /** Where they can be read again without asking; null for files that were handed over. */
  readonly url: string | null;
  /** The robot that recorded them; null where it has to be guessed. */
  readonly known: RobotProfile | null;
}

/** The policies that demonstrations may be more of. */
export interface Policies {
  readonly base: PolicyConfig;
  /** The adapter in use, where it is of another robot or head. */
  readonly other: { readonly id: string; readonly config: PolicyConfig } | null;
}

/**
 * They are taken to be of the robot in use, of the policy's, or else of another one, whose profile is guessed.
 * @throws ModelError where they cannot be read; a dataset that no policy can be taught is opened, and says why not
 */
export async function openDemonstrations(
  source: DemonstrationsSource,
  policies: Policies,
  onProgress: (done: number, total: number) => void,
): Promise<OpenedDemonstrations> {
  const original =
    source.kind === 'recorded'
      ? memoryDataset(source.recorded)
      : await openDataset(await folderOf(source), source.options, onProgress);
  try {
    const url = source.kind === 'url' ? source.url : null;
    const known = source.kind === 'recorded' ? (source.recorded.profile ?? null) : null;
    const read = { original, url, known, rehearsal: rehearsalOf(source), edits: {} };
    return await measured(read, policies, null, onProgress);
  } catch (error) {
    await original.close();
    throw error;
  }
}

/** A dataset that is open already, as `openDemonstrations` takes it. */
export function demonstrationsOf(
  original: Dataset,
  policies: Policies,
  onProgress: (done: number, total: number) => void = () => undefined,
): Promise<OpenedDemonstrations> {
  return measured(
    { original, url: null, known: null, rehearsal: new Set(), edits: {} },
    policies,
    null,
    onProgress,
  );
}

/**
 * The same demonstrations, edited otherwise or for another robot: measured and checked anew.
 * @throws ModelError `bad-input` for edits or a robot that do not fit; nothing is changed then
 */
export function changeDemonstrations(
  opened: OpenedDemonstrations,
  change: { readonly edits?: Edits; readonly target?: Target },
  policies: Policies,
): Promise<OpenedDemonstrations> {
  const { edits = opened.edits, target = opened.target } = change;
  return measured({ ...opened, edits }, policies, target, () => undefined);
}

function rehearsalOf(source: DemonstrationsSource): ReadonlySet<number> {
  if (source.kind !== 'recorded') return new Set();
  return new Set(source.recorded.episodes.flatMap(({ rehearsal }, index) => (rehearsal ? [index] : [])));
}

async function measured(
  {
    original,
    url,
    known,
    rehearsal,
    edits,
  }: Pick<OpenedDemonstrations, 'original' | 'url' | 'known' | 'rehearsal' | 'edits'>,
  policies: Policies,
  wanted: Target | null,
  onProgress: (done: number, total: number) => void,
): Promise<OpenedDemonstrations> {
  const edited = editedDataset(original, edits);
  const nothing = edited.episodes.length === 0;
  // With everything left out there is still something to look at, and to take back.
  const whole = nothing ? original : edited;
  const recorded = await datasetStatistics(whole, { ...actionMask(whole, policies.base), onProgress });
  const guessed = await guess(whole, recorded, known);
  const target = wanted ?? targetOf(whole, policies, guessed.profile);
  const { profile } = target.config;
  const faster = guessed.profile !== null && isFaster(whole, profile);
  const dataset = (of: Dataset) =>
    faster ? thinnedDataset(of, profile.controlHz, thinnedAs(target, guessed)) : of;
  const taken = dataset(whole);
  const statistics = masked(faster ? await datasetStatistics(taken) : recorded, taken, target);
  const fit = checkFit(taken, profile, statistics);
  const cameras = target.robot?.cameras ?? fit.cameras;
  const problems = [
    ...(nothing ? [NOTHING_LEFT] : []),
    ...guessed.problems,
    ...(target.robot ? robotProblems(target.robot, taken) : []),
    ...fit.problems,
    ...(await undecodable(taken, cameras)),
  ];
  const trained = nothing ? edited : taken;
  const samples = samplesIn(trained.episodes, profile.chunkSize);
  const info: DemonstrationsInfo = {
    name: edited.name,
    format: edited.format,
    fps: edited.fps,
    cameras: [...edited.cameras],
    reading: edited.reading,
    slots: profile.images.map(({ label }, i) => ({ label, camera: cameras[i] ?? '' })),
    episodes: [...trained.episodes],
    recorded: original.episodes.map((episode) => ({ ...episode, rehearsal: rehearsal.has(episode.index) })),
    samples,
    action: dimensions(edited.actionNames, statistics.action),
    state: edited.stateNames && dimensions(edited.stateNames, statistics.proprio),
    robot: robotInfo(whole, recorded, policies, target, guessed, faster),
    problems,
    warnings: [...fit.warnings, ...unclearThinning(target, guessed, faster)],
    fingerprint: await fingerprint(edited, recorded),
    edits,
  };
  const key = edited.name.replace(/[^\w.-]+/g, '_');
  return {
    original,
    dataset: trained,
    edits,
    rehearsal,
    info,
    target,
    statistics: { [key]: statistics },
    url,
    known,
  };
}

const NOTHING_LEFT: FitNote = {
  id: 'nothing-left',
  found: 'no episode that shows success',
  needed: 'at least one',
  hint: 'Record one, mark one as a success, or restore one that was deleted.',
};

async function folderOf(source: Exclude<DemonstrationsSource, { kind: 'recorded' }>): Promise<Folder> {
  if (source.kind === 'files') return blobFolder(nameOf(source.files), source.files);
  if (source.kind === 'zip') return zipFolder(source.file.name, blobReader(source.file, source.file.name));
  return openAddress(source.url, source.token ? { hubToken: source.token } : {});
}

/** The folder that was dropped or chosen, where all files lie in one, or the one file; the name says how some datasets are to be read. */
function nameOf(files: readonly { path: string }[]): string {
  const [only] = files;
  if (only && files.length === 1 && !only.path.includes('/')) return only.path;
  const tops = new Set(files.map(({ path }) => path.replace(/^\//, '').split('/').slice(0, -1)[0] ?? ''));
  return (tops.size === 1 && [...tops][0]) || 'The folder';
}

/** One camera's video is missing or damaged, or is of a kind that this browser does not know. */
const UNSEEN = new Set(['unsupported', 'bad-file']);

/** Cameras whose first frame this browser cannot decode: better known now than when training reaches it. */
async function undecodable(dataset: Dataset, cameras: readonly string[]): Promise<FitNote[]> {
  const [first] = dataset.episodes;
  if (!first) return [];
  const episode = await dataset.open(first.index);
  const notes: FitNote[] = [];
  for (const camera of new Set(cameras.filter((name) => name !== ''))) {
    try {
      await episode.frame(camera, 0);
    } catch (error) {
      if (!(error instanceof ModelError) || !UNSEEN.has(error.code)) throw error;
      const others =
        dataset.cameras.length > 1 ? ' Or train without this camera, as a robot of its own.' : '';
      const needed = `frames of "${camera}" that can be decoded`;
      notes.push({
        id: `codec ${camera}`,
        found: error.message.replace(/\.$/, ''),
        needed,
        hint: `${error.hint}${others}`,
      });
    }
  }
  episode.close();
  return notes;
}

/** A gripper that the policy passes through unchanged stays so. */
function actionMask(dataset: Dataset, config: PolicyConfig): { actionMask?: boolean[] } {
  const mask = config.statistics[config.defaultUnnormKey]?.action.mask;
  return mask && mask.length === dataset.actionNames.length ? { actionMask: [...mask] } : {};
}

function dimensions(names: readonly string[], field: FieldStatistics): DimensionStatistics[] {
  return names.map((name, i) => ({
    name,
    mean: field.mean[i]!,
    std: field.std[i]!,
    min: field.min[i]!,
    max: field.max[i]!,
    q01: field.q01[i]!,
    q99: field.q99[i]!,
    normalised: field.mask?.[i] ?? true,
  }));
}

async function fingerprint(dataset: Dataset, statistics: unknown): Promise<string> {
  const { fps, cameras, episodes } = dataset;
  return sha256Hex(new TextEncoder().encode(JSON.stringify({ fps, cameras, episodes, statistics })));
}
