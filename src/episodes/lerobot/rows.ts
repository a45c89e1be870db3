/** An episode's rows: numbers, times and tasks, in the order of their `frame_index`. */
import { ModelError } from '../../base/errors.ts';
import type { FeatureMapping } from '../reading.ts';
import type { Numbers } from '../parquet/cells.ts';
import type { ParquetFile } from '../parquet/parquet-file.ts';
import type { Info } from './info.ts';
import type { Place } from './places.ts';
import { EPISODE_INDEX, type Found, type Tables } from './tables.ts';
import type { Tasks } from './tasks.ts';

const FRAME_INDEX = 'frame_index';
const TASK_INDEX = 'task_index';
const TIMESTAMP = 'timestamp';

/** Of a frame's duration: more than rounding, less than would show another frame. */
const OFF_GRID = 0.25;

export interface Rows {
  readonly path: string;
  readonly file: ParquetFile;
  /** Row of each step, counted over the file. */
  readonly at: Uint32Array;
  readonly actions: Float32Array;
  readonly state: Float32Array | null;
  readonly timestamps: Float64Array | null;
  /** `frame_index` of the first step. */
  readonly firstFrame: number;
  /** What each step's row says; null where the rows do not say. */
  readonly tasks: readonly string[] | null;
  readonly notes: readonly string[];
}

/** @throws ModelError `bad-file` for rows that are missing, too many, or in no order that makes sense */
export async function readRows(
  tables: Tables,
  place: Place,
  info: Info,
  mapping: FeatureMapping,
  tasks: Tasks,
): Promise<Rows> {
  const found = await tables.find(place);
  const notes: string[] = [];
  if (place.data !== null && found.path !== place.data) {
    notes.push(`Its rows are in ${found.path}, not in ${place.data} as meta/episodes says.`);
  }
  const { at, firstFrame } = await orderedRows(tables, found, place, notes);
  const vector = (name: string) => vectorOf(tables, found, at, name, info.features.get(name)!.shape[0]!);
  const states = [];
  for (const name of mapping.state) states.push(await vector(name));
  const timestamps = found.file.columns.includes(TIMESTAMP)
    ? await numbersOf(tables, found, at, TIMESTAMP)
    : null;
  return {
    path: found.path,
    file: found.file,
    at,
    actions: await vector(mapping.action),
    state: states.length === 0 ? null : joined(states, at.length),
    timestamps,
    firstFrame,
    tasks: await rowTasks(tables, found, at, tasks),
    notes,
  };
}

/** Whether a time stamp is that of the frame, but for rounding. */
export function onGrid(time: number, frame: number, fps: number): boolean {
  return Math.abs(time * fps - frame) <= OFF_GRID;
}

/** The tasks of an episode's steps alone. */
export async function readRowTasks(
  tables: Tables,
  place: Place,
  tasks: Tasks,
): Promise<readonly string[] | null> {
  const found = await tables.find(place);
  const { at } = await orderedRows(tables, found, place, []);
  return rowTasks(tables, found, at, tasks);
}

async function rowTasks(
  tables: Tables,
  found: Found,
  at: Uint32Array,
  tasks: Tasks,
): Promise<readonly string[] | null> {
  if (!found.file.columns.includes(TASK_INDEX) || tasks.size === 0) return null;
  const indices = await numbersOf(tables, found, at, TASK_INDEX);
  return Array.from(indices, (index, step) => {
    // A row without a task has no instruction.
    if (Number.isNaN(index)) return '';
    const task = tasks.get(index);
    if (task !== undefined) return task;
    throw new ModelError(
      'bad-file',
      `${found.path}: step ${step} has the task ${index}, which the table of tasks does not have.`,
      'Copy meta/tasks again: it may be older than the rows.',
    );
  });
}

async function orderedRows(
  tables: Tables,
  found: Found,
  place: Place,
  notes: string[],
): Promise<{ at: Uint32Array; firstFrame: number }> {
  const count = found.runs.reduce((sum, { start, end }) => sum + end - start, 0);
  if (count !== place.length) {
    throw new ModelError(
      'bad-file',
      `${found.path} has ${count} steps of episode ${place.index}; its description says ${place.length}.`,
      'Copy the dataset again.',
    );
  }
  const at = new Uint32Array(count);
  let next = 0;
  for (const { start, end } of found.runs) for (let row = start; row < end; row++) at[next++] = row;
  // A table may have been found by its statistics.
  const episodes = await numbersOf(tables, found, at, EPISODE_INDEX);
  const foreign = episodes.findIndex((episode) => episode !== place.index);
  if (foreign !== -1) {
    throw new ModelError(
      'bad-file',
      `${found.path}: row ${at[foreign]} is of episode ${episodes[foreign]}, where its statistics say ${place.index}.`,
      'The file is damaged. Copy it again.',
    );
  }
  if (!found.file.columns.includes(FRAME_INDEX)) return { at, firstFrame: 0 };
  return inOrder(await numbersOf(tables, found, at, FRAME_INDEX), at, found.path, place.index, notes);
}

/** Rows sorted by their frame index, which has to count on without a gap. */
function inOrder(
  frames: Float64Array,
  at: Uint32Array,
  path: string,
  episode: number,
  notes: string[],
): { at: Uint32Array; firstFrame: number } {
  const order = Array.from(frames.keys()).toSorted((a, b) => frames[a]! - frames[b]!);
  const first = frames[order[0] ?? 0] ?? 0;
  const gap = order.findIndex((row, i) => frames[row] !== first + i);
  if (gap !== -1 || !(Number.isSafeInteger(first) && first >= 0)) {
    const row = order[Math.max(gap, 0)]!;
    throw new ModelError(
      'bad-file',
      `${path}: "frame_index" of episode ${episode} is ${frames[row]} where ${Math.max(0, first) + Math.max(gap, 0)} is expected: ` +
        'a step is missing, or is there twice.',
      'Copy the dataset again, or leave the episode out.',
    );
  }
  if (first > 0) notes.push(`Its first step has the frame_index ${first}: what was before is not there.`);
  if (order.every((row, i) => row === i)) return { at, firstFrame: first };
  notes.push('Its rows are not in the order of their frame_index; they were sorted.');
  return { at: Uint32Array.from(order, (row) => at[row]!), firstFrame: first };
}

/** Calls back with the cells of each row, in the order given. */
async function eachRow(
  tables: Tables,
  { path, file }: Found,
  at: Uint32Array,
  column: string,
  use: (step: number, values: Numbers) => void,
): Promise<void> {
  let group = -1;
  let start = 0;
  let end = 0;
  let cells: { values: Numbers; starts: Uint32Array | null } | null = null;
  for (let step = 0; step < at.length; step++) {
    const row = at[step]!;
    if (!cells || row < start || row >= end) {
      group = file.groups.findIndex((one) => one.start <= row && row < one.start + one.rows);
      start = file.groups[group]!.start;
      end = start + file.groups[group]!.rows;
      const { values, starts } = await tables.column(path, file, column, group);
      if (!(values instanceof Float64Array || values instanceof Float32Array)) {
        throw new ModelError(
          'bad-file',
          `${path}: the column "${column}" does not hold numbers.`,
          'The table and meta/info.json may be of different versions. Copy the dataset again.',
        );
      }
      cells = { values, starts };
    }
    const { values, starts } = cells;
    const local = row - start;
    use(step, starts ? values.subarray(starts[local], starts[local + 1]) : values.subarray(local, local + 1));
  }
}

/** One number a row; NaN for a null. */
async function numbersOf(
  tables: Tables,
  found: Found,
  at: Uint32Array,
  column: string,
): Promise<Float64Array> {
  const out = new Float64Array(at.length);
  await eachRow(tables, found, at, column, (step, values) => {
    out[step] = values.length === 1 ? values[0]! : Number.NaN;
  });
  return out;
}

/** [rows · size]. A null is NaN, never 0: the review finds it, and nothing is trained on it. */
async function vectorOf(
  tables: Tables,
  found: Found,
  at: Uint32Array,
  column: string,
  size: number,
): Promise<Float32Array> {
  const out = new Float32Array(at.length * size);
  await eachRow(tables, found, at, column, (step, values) => {
    if (values.length === 0) out.fill(Number.NaN, step * size, (step + 1) * size);
    else if (values.length === size) out.set(values, step * size);
    else {
      throw new ModelError(
        'bad-file',
        `${found.path}: "${column}" has ${values.length} values at step ${step}, expected ${size}.`,
        'The table and meta/info.json do not belong together. Copy the dataset again.',
      );
    }
  });
  return out;
}

/** Vectors of each row side by side. */
function joined(parts: readonly Float32Array[], rows: number): Float32Array {
  const [only] = parts;
  if (parts.length === 1) return only!;
  const out = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  const width = out.length / Math.max(1, rows);
  let column = 0;
  for (const part of parts) {
    const size = part.length / Math.max(1, rows);
    for (let row = 0; row < rows; row++)
      out.set(part.subarray(row * size, (row + 1) * size), row * width + column);
    column += size;
  }
  return out;
}
