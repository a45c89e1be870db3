/** The sentences that `task_index` means: meta/tasks.jsonl (v2) or meta/tasks.parquet (v3). */
import type { Folder } from '../../io/folder.ts';
import { ModelError } from '../../base/errors.ts';
import { rowsOf, toNumber, toText } from '../parquet.ts';
import { ParquetFile } from '../parquet/parquet-file.ts';
import type { Info } from './info.ts';
import { jsonLines } from './json-lines.ts';

/** By `task_index`; empty where the dataset has no such table. */
export type Tasks = ReadonlyMap<number, string>;

const INDEX = 'task_index';
/** pandas writes the index of a table as a column; lerobot before 0.6 leaves it without a name. */
const TEXTS = ['task', '__index_level_0__'];

/** @throws ModelError `bad-file` for a damaged table, or one that says two sentences for an index */
export async function readTasks(folder: Folder, { version }: Info): Promise<Tasks> {
  const path = version === 'v3.0' ? 'meta/tasks.parquet' : 'meta/tasks.jsonl';
  if (!(await folder.has(path))) return new Map();
  const rows = path.endsWith('.jsonl') ? await jsonLines(folder, path) : await fromParquet(folder, path);
  const tasks = new Map<number, string>();
  for (const row of rows) {
    const index = toNumber(row[INDEX]);
    const text = toText(row['task']) ?? '';
    if (!(Number.isSafeInteger(index) && index >= 0)) {
      throw new ModelError(
        'bad-file',
        `${path}: "${INDEX}" is ${String(row[INDEX])}, expected a whole number.`,
      );
    }
    if (tasks.has(index) && tasks.get(index) !== text) {
      throw new ModelError(
        'bad-file',
        `${path} says two things for the task ${index}: "${tasks.get(index)}" and "${text}".`,
        'Correct the table, so that each index means one task.',
      );
    }
    tasks.set(index, text);
  }
  return tasks;
}

async function fromParquet(folder: Folder, path: string): Promise<Record<string, unknown>[]> {
  const file = await ParquetFile.open(await folder.open(path));
  const column =
    TEXTS.find((name) => file.columns.includes(name)) ?? file.columns.find((name) => name !== INDEX);
  if (column === undefined) {
    throw new ModelError('bad-file', `${path} has no column of tasks; it has ${file.columns.join(', ')}.`);
  }
  const rows = await rowsOf(file, path, [INDEX, column]);
  return rows.map((row) => ({ [INDEX]: row[INDEX], task: row[column] }));
}
