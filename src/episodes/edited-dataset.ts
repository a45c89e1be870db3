/** Edits of a dataset as plain data: what is left out, trimmed or said otherwise. Nothing is copied. */
import * as v from 'valibot';
import { ModelError } from '../base/errors.ts';
import type { Dataset, Episode, EpisodeInfo } from './dataset.ts';

export interface EpisodeEdit {
  readonly deleted?: boolean;
  /** Steps kept, [from, to). */
  readonly keep?: readonly [number, number];
  readonly instruction?: string;
  /** Whether it shows success; failures are kept but not trained on. */
  readonly success?: boolean;
}

/** By index in the original dataset. */
export type Edits = Readonly<Record<number, EpisodeEdit>>;

/** What fits a prompt with room to spare; a longer text is a paste by mistake. */
const LONGEST_INSTRUCTION = 300;
/** Control characters and Unicode's line breaks: a prompt is one line. */
const UNPRINTABLE = /[\p{Cc}\u2028\u2029]/u;

const step = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const byEpisode = v.record(
  v.pipe(v.string(), v.regex(/^(0|[1-9]\d*)$/, 'Expected the index of an episode')),
  v.strictObject({
    deleted: v.optional(v.boolean()),
    keep: v.optional(v.strictTuple([step, step])),
    instruction: v.optional(v.string()),
    success: v.optional(v.boolean()),
  }),
);
// A record also takes a list, whose positions look like indices.
const editsSchema = v.pipe(
  v.unknown(),
  v.check((value) => !Array.isArray(value), 'Expected edits by episode, found a list'),
  byEpisode,
);

/**
 * Stored JSON → edits. Whether they fit a dataset is `editedDataset`'s to say.
 * @throws ModelError `bad-input`
 */
export function toEdits(value: unknown): Edits {
  const parsed = v.safeParse(editsSchema, value);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  throw new ModelError(
    'bad-input',
    `The stored edits cannot be read: ${v.getDotPath(issue) ?? 'the whole'}: ${issue.message}`,
    'Expected are deleted, keep, instruction and success by episode. Discard the edits and make them again.',
  );
}

/**
 * The dataset as edited. Episodes that are deleted or show no success are left out; the others keep their
 * index, so that edits and views of them stay right. It may be empty. Closing it closes the original.
 * @throws ModelError `bad-input` for an edit that does not fit the dataset
 */
export function editedDataset(dataset: Dataset, edits: Edits): Dataset {
  const originals = new Map(dataset.episodes.map((info) => [info.index, info]));
  for (const [index, edit] of Object.entries(edits)) checkEdit(Number(index), edit, originals);

  const editOf = (index: number): EpisodeEdit => edits[index] ?? {};
  const episodes = dataset.episodes
    .filter(({ index }) => !editOf(index).deleted && editOf(index).success !== false)
    .map((info) => edited(info, editOf(info.index)));
  return {
    name: dataset.name,
    format: dataset.format,
    fps: dataset.fps,
    actionNames: dataset.actionNames,
    stateNames: dataset.stateNames,
    cameras: dataset.cameras,
    episodes,
    reading: dataset.reading,
    open: async (index) => {
      const info = episodes.find((episode) => episode.index === index);
      if (!info) {
        throw new ModelError(
          'bad-input',
          `Episode ${index} was asked for; ${originals.has(index) ? 'it is left out by an edit' : 'there is none'}.`,
          'Ask for an episode that is listed, or take the edit back.',
        );
      }
      const { keep, instruction } = editOf(index);
      return trimmed(await dataset.open(index), info, keep?.[0] ?? 0, instruction !== undefined);
    },
    close: () => dataset.close(),
  };
}

function edited(info: EpisodeInfo, { keep, instruction }: EpisodeEdit): EpisodeInfo {
  return {
    index: info.index,
    length: keep ? keep[1] - keep[0] : info.length,
    instruction: instruction ?? info.instruction,
    ...(info.tasks && instruction === undefined ? { tasks: info.tasks } : {}),
  };
}

/** Views of the original's rows `from` to `from + info.length`. */
function trimmed(original: Episode, info: EpisodeInfo, from: number, relabelled: boolean): Episode {
  const rows = (values: Float32Array) => {
    const size = values.length / original.length;
    return values.subarray(from * size, (from + info.length) * size);
  };
  return {
    ...info,
    actions: rows(original.actions),
    state: original.state && rows(original.state),
    // A new label is given for the whole episode.
    instructions: relabelled ? null : (original.instructions?.slice(from, from + info.length) ?? null),
    timestamps: original.timestamps?.subarray(from, from + info.length) ?? null,
    ...(original.notes ? { notes: original.notes } : {}),
    frame: async (camera, at) => {
      if (!(Number.isInteger(at) && at >= 0 && at < info.length)) {
        throw new ModelError(
          'bad-input',
          `Frame ${at} of camera "${camera}" was asked for; episode ${info.index} has ${info.length} steps as edited.`,
        );
      }
      return original.frame(camera, from + at);
    },
    close: () => original.close(),
  };
}

function checkEdit(index: number, edit: EpisodeEdit, originals: ReadonlyMap<number, EpisodeInfo>): void {
  const { keep, instruction } = edit;
  const info = originals.get(index);
  if (!info) {
    throw new ModelError(
      'bad-input',
      `An edit is for episode ${index}, which the dataset does not have; it has ${originals.size} episodes.`,
      'The edits may belong to another dataset: discard them, or open the dataset they were made for.',
    );
  }
  if (
    keep &&
    !(keep.every(Number.isInteger) && keep[0] >= 0 && keep[0] < keep[1] && keep[1] <= info.length)
  ) {
    throw new ModelError(
      'bad-input',
      `Episode ${index} is to keep steps ${keep[0]} to ${keep[1]}; it has steps 0 to ${info.length}.`,
      'Keep at least one step between these, or delete the episode.',
    );
  }
  if (instruction === undefined) return;
  const problem =
    instruction.trim() === ''
      ? 'is empty'
      : instruction.length > LONGEST_INSTRUCTION
        ? `has ${instruction.length} characters`
        : UNPRINTABLE.test(instruction)
          ? 'holds control characters, such as a line break or a tab'
          : null;
  if (problem) {
    throw new ModelError(
      'bad-input',
      `The new instruction of episode ${index} ${problem}; expected is one line of 1 to ${LONGEST_INSTRUCTION} characters.`,
      'Say in one sentence what is done.',
    );
  }
}
