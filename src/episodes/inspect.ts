/** All that can be said of a dataset: what it holds, as its own library reads it, and what a trainer would want to know. */
import { ModelError } from '../base/errors.ts';
import type { CameraInfo, Dataset } from './dataset.ts';
import type { DatasetReading } from './reading.ts';
import { actionKinds, type ActionKind } from './quality/action-kinds.ts';
import { fieldsOf, type Motion } from './quality/columns.ts';
import type { Finding } from './quality/finding.ts';
import { reviewDataset } from './quality/review.ts';
import { fieldStatistics, type FieldStatistics } from './statistics.ts';

export interface InspectedEpisode {
  readonly index: number;
  readonly length: number;
  /** One for the whole episode, one a step where they differ, none where none was recorded. */
  readonly tasks: readonly string[];
  /** [length], seconds; null where the format has none. */
  readonly timestamps: readonly number[] | null;
  /** [length][dimensions], as recorded. */
  readonly action: readonly (readonly number[])[];
  readonly state: readonly (readonly number[])[] | null;
}

export interface Inspection {
  readonly name: string;
  /** Such as "LeRobot". */
  readonly format: string;
  /** Such as "v3.0"; null where the format has no versions. */
  readonly version: string | null;
  /** Its layout, and what the file does not say and was assumed; null where there is nothing to say. */
  readonly about: string | null;
  /** Hz */
  readonly fps: number;
  readonly cameras: readonly CameraInfo[];
  readonly actionNames: readonly string[];
  readonly stateNames: readonly string[] | null;
  readonly reading: DatasetReading | null;
  readonly episodes: readonly InspectedEpisode[];
  /** As openvla-oft computes them; null where no episode can be read. */
  readonly statistics: { readonly action: FieldStatistics; readonly proprio: FieldStatistics | null } | null;
  readonly actionKinds: readonly ActionKind[];
  readonly findings: readonly Finding[];
}

export interface InspectOptions {
  /** Actions that a policy predicts at once; default 8, as openvla-oft's for LIBERO. */
  readonly chunkSize?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Reads all numbers, and some frames. An episode that cannot be read is a finding, and is not listed.
 * @throws ModelError `cancelled`
 */
export async function inspectDataset(dataset: Dataset, options: InspectOptions = {}): Promise<Inspection> {
  const findings = await findingsOf(dataset, options);
  const episodes: InspectedEpisode[] = [];
  const motions: Motion[] = [];
  for (const { index } of dataset.episodes) {
    options.signal?.throwIfAborted();
    try {
      const episode = await dataset.open(index);
      const { length, instruction, instructions, actions, state, timestamps } = episode;
      motions.push({ index, length, actions, state });
      episodes.push({
        index,
        length,
        tasks: instructions ?? (instruction === '' ? [] : [instruction]),
        timestamps: timestamps && [...timestamps],
        action: rows(actions, length),
        state: state && rows(state, length),
      });
      episode.close();
    } catch (error) {
      // The review has said what is wrong with it.
      if (!(error instanceof ModelError)) throw error;
    }
  }
  const { format, version, about } = formatOf(dataset.format);
  return {
    name: dataset.name,
    format,
    version,
    about,
    fps: dataset.fps,
    cameras: dataset.cameras,
    actionNames: dataset.actionNames,
    stateNames: dataset.stateNames,
    reading: dataset.reading,
    episodes,
    statistics: motions.length > 0 ? statisticsOf(dataset, motions) : null,
    actionKinds: actionKinds(motions, fieldsOf(motions, dataset)),
    findings,
  };
}

async function findingsOf(dataset: Dataset, options: InspectOptions): Promise<readonly Finding[]> {
  const { chunkSize = 8, signal, onProgress } = options;
  try {
    return await reviewDataset(dataset, {
      chunkSize,
      ...(signal ? { signal } : {}),
      ...(onProgress ? { onProgress } : {}),
    });
  } catch (error) {
    if (!(error instanceof ModelError) || error.code === 'cancelled') throw error;
    const { message, hint } = error;
    return [{ id: 'unreadable', severity: 'warning', episode: null, message, hint }];
  }
}

function statisticsOf(dataset: Dataset, motions: readonly Motion[]) {
  const states = motions.flatMap(({ state }) => (state ? [state] : []));
  return {
    action: fieldStatistics(
      motions.map(({ actions }) => actions),
      dataset.actionNames.length,
    ),
    proprio:
      dataset.stateNames && states.length > 0 ? fieldStatistics(states, dataset.stateNames.length) : null,
  };
}

function rows(values: Float32Array, length: number): number[][] {
  const width = length === 0 ? 0 : values.length / length;
  return Array.from({ length }, (_, step) => [...values.subarray(step * width, (step + 1) * width)]);
}

/** "LeRobot v3.0", "HDF5 (LIBERO layout; …)", "RLDS (TFDS 1.0.0; …)" in parts. */
function formatOf(text: string): Pick<Inspection, 'format' | 'version' | 'about'> {
  const [, format = text, numbered = null, about = null] =
    /^(\w+)(?: (v\d[\w.]*))?(?: \((.*)\))?$/.exec(text) ?? [];
  return { format, version: numbered ?? /\bTFDS (\d[\w.]*)/.exec(about ?? '')?.[1] ?? null, about };
}
