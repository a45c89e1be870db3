/** What the description of a dataset says about each episode: its length, its tasks, and where its rows and frames should be. */
import { ModelError } from '../../base/errors.ts';
import { toNumber, toText } from '../parquet.ts';

export interface VideoPlace {
  readonly path: string;
  /** Seconds in the file at which the episode starts and ends; an end is known in v3 only. */
  readonly from: number;
  readonly to: number | null;
}

export interface Place {
  readonly index: number;
  /** Steps. */
  readonly length: number;
  /** Every task in it; empty where none is told. */
  readonly tasks: readonly string[];
  /** The description says in so many words that the episode has no task: `tasks: [null]`. */
  readonly taskless: boolean;
  /** The file of its rows; null where the description does not say. */
  readonly data: string | null;
  /** By camera; null where the description does not say. */
  readonly videos: ReadonlyMap<string, VideoPlace | null>;
}

/** An episode has one task mostly. A null is not a task, and not the word either. */
export function tasksOf(value: unknown): Pick<Place, 'tasks' | 'taskless'> {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  const tasks = list.flatMap((task) => {
    const text = toText(task);
    return text === null || text.trim() === '' ? [] : [text];
  });
  return { tasks: [...new Set(tasks)], taskless: tasks.length === 0 && list.includes(null) };
}

/** @throws ModelError `bad-file` */
export function requireWhole(value: unknown, file: string, name: string): number {
  const number = toNumber(value);
  if (Number.isSafeInteger(number) && number >= 0) return number;
  throw new ModelError(
    'bad-file',
    `${file}: "${name}" is ${JSON.stringify(value)?.slice(0, 60) ?? 'missing'}, expected a whole number.`,
    'Copy the dataset again.',
  );
}

/** @throws ModelError `bad-file` where two episodes have one index: nobody can know whose rows are meant */
export function checkIndices(places: readonly Place[], file: string): void {
  const seen = new Set<number>();
  for (const { index } of places) {
    if (seen.has(index)) {
      throw new ModelError(
        'bad-file',
        `${file} describes two episodes with the index ${index}.`,
        'Datasets are merged with lerobot-edit-dataset, which counts their episodes on.',
      );
    }
    seen.add(index);
  }
}
