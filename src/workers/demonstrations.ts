/** Demonstrations as the worker opens them: read, measured, checked against the policy. */
import type { Dataset } from '../episodes/dataset.ts';
import { editedDataset, type Edits } from '../episodes/edited-dataset.ts';
import { checkFit } from '../episodes/fit.ts';
import { memoryDataset } from '../episodes/memory-dataset.ts';
import { openDataset } from '../episodes/open-dataset.ts';
import { datasetStatistics, type FieldStatistics } from '../episodes/statistics.ts';
import { blobFolder } from '../io/blob-folder.ts';
import { blobReader } from '../io/byte-reader.ts';
import type { Folder } from '../io/folder.ts';
import { openAddress } from '../io/open-address.ts';
import { zipFolder } from '../io/zip-folder.ts';
import { ModelError } from '../model/errors.ts';
import type { PolicyConfig } from '../model/policy/config.ts';
import type { DatasetStatistics } from '../model/policy/statistics.ts';
import { sha256Hex } from '../model/weights/package-reader.ts';
import type {
  DemonstrationsInfo,
  DemonstrationsSource,
  DimensionStatistics,
  FitNote,
} from './contract-finetune.ts';

export interface OpenedDemonstrations {
  /** As read; the edits are laid over it. */
  readonly original: Dataset;
  /** What is trained on. */
  readonly dataset: Dataset;
  readonly edits: Edits;
  /** Episodes that are there so that nothing is forgotten. */
  readonly rehearsal: ReadonlySet<number>;
  readonly info: DemonstrationsInfo;
  /** dataset_statistics.json's content: one entry, under the dataset's name. */
  readonly statistics: Readonly<Record<string, DatasetStatistics>>;
  /** Where they can be read again without asking; null for files that were handed over. */
  readonly url: string | null;
}

/** @throws ModelError where they cannot be read; a dataset that does not fit is opened, and says why not */
export async function openDemonstrations(
  source: DemonstrationsSource,
  config: PolicyConfig,
  onProgress: (done: number, total: number) => void,
): Promise<OpenedDemonstrations> {
  const original =
    source.kind === 'recorded'
      ? memoryDataset(source.recorded)
      : await openDataset(await folderOf(source), source.options);
  try {
    return await withEdits(
      { original, url: source.kind === 'url' ? source.url : null, rehearsal: rehearsalOf(source) },
      {},
      config,
      onProgress,
    );
  } catch (error) {
    await original.close();
    throw error;
  }
}

/**
 * The same demonstrations, edited otherwise: measured and checked anew.
 * @throws ModelError `bad-input` for edits that do not fit; nothing is changed then
 */
export function editDemonstrations(
  opened: OpenedDemonstrations,
  edits: Edits,
  config: PolicyConfig,
): Promise<OpenedDemonstrations> {
  return withEdits(opened, edits, config, () => undefined);
}

function rehearsalOf(source: DemonstrationsSource): ReadonlySet<number> {
  if (source.kind !== 'recorded') return new Set();
  return new Set(source.recorded.episodes.flatMap(({ rehearsal }, index) => (rehearsal ? [index] : [])));
}

async function withEdits(
  { original, url, rehearsal }: Pick<OpenedDemonstrations, 'original' | 'url' | 'rehearsal'>,
  edits: Edits,
  config: PolicyConfig,
  onProgress: (done: number, total: number) => void,
): Promise<OpenedDemonstrations> {
  const dataset = editedDataset(original, edits);
  const nothing = dataset.episodes.length === 0;
  // With everything left out there is still something to look at, and to take back.
  const measured = nothing ? original : dataset;
  const statistics = await datasetStatistics(measured, { ...actionMask(dataset, config), onProgress });
  const { profile } = config;
  const fit = checkFit(measured, profile, statistics);
  const problems = [
    ...(nothing ? [NOTHING_LEFT] : []),
    ...fit.problems,
    ...(await undecodable(measured, fit.cameras)),
  ];
  const { chunkSize } = profile;
  const info: DemonstrationsInfo = {
    name: dataset.name,
    format: dataset.format,
    fps: dataset.fps,
    cameras: [...dataset.cameras],
    reading: dataset.reading,
    slots: profile.images.map(({ label }, i) => ({ label, camera: fit.cameras[i]! })),
    episodes: [...dataset.episodes],
    recorded: original.episodes.map((episode) => ({ ...episode, rehearsal: rehearsal.has(episode.index) })),
    samples: dataset.episodes.reduce((sum, { length }) => sum + Math.max(0, length - chunkSize + 1), 0),
    action: dimensions(dataset.actionNames, statistics.action),
    state: dataset.stateNames && dimensions(dataset.stateNames, statistics.proprio),
    problems,
    warnings: fit.warnings,
    fingerprint: await fingerprint(dataset, statistics),
    edits,
  };
  const key = dataset.name.replace(/[^\w.-]+/g, '_');
  return { original, dataset, edits, rehearsal, info, statistics: { [key]: statistics }, url };
}

const NOTHING_LEFT: FitNote = {
  id: 'nothing-left',
  found: 'no episode that shows success',
  needed: 'at least one',
  hint: 'Record one, mark one as a success, or take a deletion back.',
};

async function folderOf(source: Exclude<DemonstrationsSource, { kind: 'recorded' }>): Promise<Folder> {
  if (source.kind === 'files') return blobFolder(nameOf(source.files), source.files);
  if (source.kind === 'zip') return zipFolder(source.file.name, blobReader(source.file, source.file.name));
  return openAddress(source.url, source.token ? { hubToken: source.token } : {});
}

/** The folder that was dropped or chosen, where all files lie in one; the name says how some datasets are to be read. */
function nameOf(files: readonly { path: string }[]): string {
  const tops = new Set(files.map(({ path }) => path.replace(/^\//, '').split('/').slice(0, -1)[0] ?? ''));
  return (tops.size === 1 && [...tops][0]) || 'The folder';
}

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
      if (!(error instanceof ModelError) || error.code !== 'unsupported') throw error;
      const needed = `frames of "${camera}" that can be decoded`;
      notes.push({
        id: `codec ${camera}`,
        found: error.message.replace(/\.$/, ''),
        needed,
        hint: error.hint,
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
