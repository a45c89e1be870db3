/** Episodes of v3.0: tables in meta/episodes; several episodes share a table of rows and a video. */
import type { Folder } from '../../io/folder.ts';
import { ModelError } from '../../base/errors.ts';
import { rowsOf, toNumber, type Row } from '../parquet.ts';
import { ParquetFile } from '../parquet/parquet-file.ts';
import { fileOf, INFO_PATH, type Info } from './info.ts';
import { checkIndices, requireWhole, tasksOf, type Place, type VideoPlace } from './places.ts';

const FOLDER = 'meta/episodes';
const TEMPLATE = `${FOLDER}/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet`;

/** @param videoKeys cameras that are videos */
export async function placesV3(folder: Folder, info: Info, videoKeys: readonly string[]): Promise<Place[]> {
  const places: Place[] = [];
  for await (const path of tablesOf(folder, () => places.length < info.episodes)) {
    for (const row of await episodeRows(folder, path, videoKeys)) {
      places.push(placeOf(row, path, info, videoKeys));
    }
  }
  if (places.length < info.episodes) {
    throw new ModelError(
      'bad-file',
      `${FOLDER} describes ${places.length} episodes, ${INFO_PATH} tells of ${info.episodes}.`,
      'Copy the dataset again.',
    );
  }
  checkIndices(places, FOLDER);
  return places.toSorted((a, b) => a.index - b.index);
}

/** Files of a chunk follow each other, chunks too. Where they cannot be listed, they are asked for until all episodes are known. */
async function* tablesOf(folder: Folder, more: () => boolean): AsyncGenerator<string> {
  const listed = await folder.list();
  if (listed) {
    yield* listed.filter((path) => path.startsWith(`${FOLDER}/`) && path.endsWith('.parquet'));
    return;
  }
  for (let chunk = 0; more(); chunk++) {
    for (let file = 0; more(); file++) {
      const path = fileOf(TEMPLATE, chunk, file);
      if (await folder.has(path)) yield path;
      else if (file === 0) return;
      else break;
    }
  }
}

async function episodeRows(folder: Folder, path: string, videoKeys: readonly string[]): Promise<Row[]> {
  const file = await ParquetFile.open(await folder.open(path));
  const optional = [
    'tasks',
    'data/chunk_index',
    'data/file_index',
    ...videoKeys.flatMap((key) =>
      ['chunk_index', 'file_index', 'from_timestamp', 'to_timestamp'].map((name) => `videos/${key}/${name}`),
    ),
  ];
  const columns = ['episode_index', 'length', ...optional.filter((name) => file.columns.includes(name))];
  return rowsOf(file, path, columns);
}

function placeOf(row: Row, path: string, info: Info, videoKeys: readonly string[]): Place {
  const at = (name: string) => requireWhole(row[name], path, name);
  const known = Number.isSafeInteger(toNumber(row['data/chunk_index']));
  return {
    index: at('episode_index'),
    length: at('length'),
    ...tasksOf(row['tasks']),
    data: known ? fileOf(info.dataPath, at('data/chunk_index'), at('data/file_index')) : null,
    videos: new Map(videoKeys.map((key) => [key, videoOf(row, info, key)])),
  };
}

function videoOf(row: Row, info: Info, key: string): VideoPlace | null {
  const at = (field: string) => toNumber(row[`videos/${key}/${field}`]);
  const [chunk, file, from, to] = [
    at('chunk_index'),
    at('file_index'),
    at('from_timestamp'),
    at('to_timestamp'),
  ];
  const known = [chunk, file].every((index) => Number.isSafeInteger(index) && index >= 0) && from >= 0;
  if (!known || !Number.isFinite(from) || info.videoPath === null) return null;
  return { path: fileOf(info.videoPath, chunk, file, key), from, to: to > from ? to : null };
}
