/** The tables of rows: which rows are an episode's is what their `episode_index` says, not where the description expects them. */
import type { Folder } from '../../io/folder.ts';
import { ModelError } from '../../base/errors.ts';
import type { Cells } from '../parquet/cells.ts';
import { ParquetFile } from '../parquet/parquet-file.ts';
import type { Info } from './info.ts';
import type { Place } from './places.ts';

export const EPISODE_INDEX = 'episode_index';

/** Each keeps some megabytes that were read and decoded. */
const OPEN_FILES = 6;
/**
 * Most v3 datasets on the Hub have all episodes of a file in one row group: it is decoded once, not for each episode. A file of
 * 100 MB, as lerobot makes them, has up to some 300 MB of numbers.
 */
const KEPT_COLUMN_BYTES = 384 * 2 ** 20;

/** Rows [start, end) of a file. */
export interface Run {
  readonly start: number;
  readonly end: number;
}

/** Where an episode's rows are. */
export interface Found {
  readonly path: string;
  readonly file: ParquetFile;
  readonly runs: readonly Run[];
}

interface Table {
  readonly file: ParquetFile;
  readonly runs: ReadonlyMap<number, readonly Run[]>;
}

export class Tables {
  readonly #folder: Folder;
  readonly #info: Info;
  /** Every table that the description names. */
  readonly #named: readonly string[];
  readonly #tables = new Map<string, Promise<Table>>();
  readonly #columns = new Map<string, { cells: Promise<Cells>; bytes: number }>();

  constructor(folder: Folder, info: Info, places: readonly Place[]) {
    this.#folder = folder;
    this.#info = info;
    this.#named = [...new Set(places.flatMap(({ data }) => data ?? []))];
  }

  /**
   * The rows of an episode, wherever they are: merges and hand-made edits leave old file numbers in the description.
   * @throws ModelError `bad-file` where no table has them, or two have
   */
  async find(place: Place): Promise<Found> {
    const expected = place.data;
    if (
      expected !== null &&
      (this.#info.version !== 'v3.0' || this.#tables.has(expected) || (await this.#folder.has(expected)))
    ) {
      const { file, runs } = await this.#table(expected);
      const here = runs.get(place.index);
      if (here) return { path: expected, file, runs: here };
      if (this.#info.version !== 'v3.0') throw this.#foreign(place, expected, runs);
    }
    const elsewhere: Found[] = [];
    for (const path of await this.#others(expected)) {
      const table = await this.#table(path).catch(() => null);
      const runs = table?.runs.get(place.index);
      if (table && runs) elsewhere.push({ path, file: table.file, runs });
    }
    const [found, second] = elsewhere;
    if (found && !second) return found;
    const where = expected === null ? 'nowhere' : `in ${expected}`;
    throw new ModelError(
      'bad-file',
      second
        ? `The rows of episode ${place.index} are described to be ${where}, but are in ${found!.path} and in ${second.path}.`
        : `No table has rows of episode ${place.index}; they are described to be ${where}.`,
      'The description and the tables do not belong together. Copy the dataset again, or mend it with lerobot-edit-dataset.',
    );
  }

  /** A column of a row group, kept while there is room: other episodes of the group need it, too. */
  async column(path: string, file: ParquetFile, column: string, group: number): Promise<Cells> {
    const key = `${path}/${group}/${column}`;
    const known = this.#columns.get(key);
    if (known) {
      this.#columns.delete(key);
      this.#columns.set(key, known);
      return known.cells;
    }
    const entry = { cells: file.cells(column, group), bytes: 0 };
    this.#columns.set(key, entry);
    try {
      const cells = await entry.cells;
      entry.bytes =
        (cells.values instanceof Float32Array ? 4 : 8) * cells.values.length +
        4 * (cells.starts?.length ?? 0);
      this.#forget();
      return cells;
    } catch (error) {
      this.#columns.delete(key);
      throw error;
    }
  }

  #forget(): void {
    let total = 0;
    for (const { bytes } of this.#columns.values()) total += bytes;
    for (const [oldest, { bytes }] of this.#columns) {
      if (total <= KEPT_COLUMN_BYTES || this.#columns.size === 1) break;
      this.#columns.delete(oldest);
      total -= bytes;
    }
  }

  async #others(expected: string | null): Promise<string[]> {
    const listed = (await this.#folder.list())?.filter(
      (path) => path.startsWith('data/') && path.endsWith('.parquet'),
    );
    const all = new Set(listed ?? this.#named);
    if (expected !== null) all.delete(expected);
    return [...all];
  }

  #table(path: string): Promise<Table> {
    const known = this.#tables.get(path);
    const table = known ?? this.#read(path);
    this.#tables.delete(path);
    this.#tables.set(path, table);
    if (!known) {
      // A failure is not kept: the next read tries again.
      table.catch(() => this.#tables.delete(path));
    }
    for (const oldest of this.#tables.keys()) {
      if (this.#tables.size <= OPEN_FILES) break;
      this.#tables.delete(oldest);
    }
    return table;
  }

  async #read(path: string): Promise<Table> {
    const file = await ParquetFile.open(await this.#folder.open(path));
    const runs = new Map<number, Run[]>();
    const add = (episode: number, start: number, end: number) => {
      const list = runs.get(episode) ?? [];
      runs.set(episode, list);
      const last = list.at(-1);
      if (last?.end === start) list[list.length - 1] = { start: last.start, end };
      else list.push({ start, end });
    };
    for (const [group, { start, rows }] of file.groups.entries()) {
      const constant = file.constantIn(EPISODE_INDEX, group);
      if (constant !== null) {
        add(constant, start, start + rows);
        continue;
      }
      const { values } = await file.cells(EPISODE_INDEX, group);
      let from = 0;
      for (let row = 1; row <= rows; row++) {
        if (row < rows && values[row] === values[from]) continue;
        add(Number(values[from]), start + from, start + row);
        from = row;
      }
    }
    return { file, runs };
  }

  #foreign(place: Place, path: string, runs: Table['runs']): ModelError {
    const held = [...runs.keys()].slice(0, 4).join(', ') || 'none';
    return new ModelError(
      'bad-file',
      `${path} should have the rows of episode ${place.index}; its episode_index says ${held}.`,
      'A file was renamed or copied over another. Copy the dataset again.',
    );
  }
}
