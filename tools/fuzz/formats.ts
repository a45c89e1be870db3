/** What can be fuzzed: an entry for each format, with a small file or folder of it. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Dataset } from '../../src/episodes/dataset.ts';
import { openDataset } from '../../src/episodes/open-dataset.ts';
import { memoryFolder } from '../../src/io/blob-folder.ts';
import { memoryReader } from '../../src/io/byte-reader.ts';
import { zipFolder } from '../../src/io/zip-folder.ts';
import type { Files } from './mutate.ts';

export interface FuzzedFormat {
  /** Undamaged. */
  load(): Files;
  open(files: Files): Promise<Dataset>;
}

const EPISODES = 'tests/episodes/fixtures';

/** Files of a fixture, or those whose path fits. */
function filesIn(folder: string, wanted: RegExp = /./): Files {
  const files: Files = new Map();
  for (const path of readdirSync(folder, { recursive: true }) as string[]) {
    if (wanted.test(path) && statSync(join(folder, path)).isFile()) {
      files.set(path.replaceAll('\\', '/'), new Uint8Array(readFileSync(join(folder, path))));
    }
  }
  return files;
}

/** The first episode of the set with videos. */
function oneWithVideo(): Files {
  const files = filesIn(`${EPISODES}/v21`, /^(meta|data.*_000000|videos.*_000000)/);
  const [first] = new TextDecoder().decode(files.get('meta/episodes.jsonl')).split('\n');
  files.set('meta/episodes.jsonl', new TextEncoder().encode(first));
  return files;
}

const openFolder = (files: Files) => openDataset(memoryFolder('fuzzed', files));

export const FORMATS: Readonly<Record<string, FuzzedFormat>> = {
  'lerobot-v21': { load: () => filesIn(`${EPISODES}/images`), open: openFolder },
  'hdf5-libero': { load: () => filesIn(`${EPISODES}/hdf5-variants/libero`), open: openFolder },
  'hdf5-act': { load: () => filesIn(`${EPISODES}/hdf5-variants/act-jpeg`), open: openFolder },
  'hdf5-lists': { load: () => filesIn(`${EPISODES}/hdf5-variants/act-lists`), open: openFolder },
  rlds: { load: () => filesIn(`${EPISODES}/rlds`, /tfrecord|\.json$/), open: openFolder },
  zip: {
    load: () => filesIn('tests/io/fixtures', /dataset-zip-finder\.zip$/),
    open: async (files) => {
      const [[name, bytes] = ['x.zip', new Uint8Array()]] = files;
      return openDataset(await zipFolder(name, memoryReader(bytes, name)));
    },
  },
  'lerobot-video': { load: oneWithVideo, open: openFolder },
  'lerobot-v30': {
    load: () => filesIn(`${EPISODES}/lerobot/lerobot-v30-two-tasks-in-episode`, /^(meta|data)/),
    open: openFolder,
  },
};
