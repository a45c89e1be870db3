import { withoutLfsPointers } from '../io/git-lfs.ts';
import type { Folder } from '../io/folder.ts';
import { rootWith } from '../io/paths.ts';
import { ModelError } from '../base/errors.ts';
import type { Dataset, ListingProgress } from './dataset.ts';
import type { OpenOptions } from './reading.ts';
import { foreignFormat } from './foreign-formats.ts';
import { openLeRobot } from './lerobot.ts';

/** A format: how a folder of it is known, and its reader. Readers are loaded when they are needed. */
interface Format {
  readonly name: string;
  /** The folder to open, which may lie deeper; null where the folder is of another format. */
  find(folder: Folder): Promise<Folder | null>;
  open(folder: Folder, options: OpenOptions, onProgress?: ListingProgress): Promise<Dataset>;
}

const FORMATS: readonly Format[] = [
  { name: 'LeRobot', find: (folder) => rootWith(folder, 'meta/info.json'), open: openLeRobot },
  {
    name: 'RLDS',
    find: async (folder) => (await import('./rlds.ts')).findRlds(folder),
    open: async (...args) => (await import('./rlds.ts')).openRlds(...args),
  },
  {
    name: 'HDF5',
    find: async (folder) => (await import('./hdf5.ts')).findHdf5(folder),
    open: async (...args) => (await import('./hdf5.ts')).openHdf5(...args),
  },
];

/**
 * Demonstrations in any format that is read, however the folder was wrapped.
 * @throws ModelError `bad-file` for an unknown or damaged one, `unsupported`, `download-failed`
 */
export async function openDataset(
  folder: Folder,
  options: OpenOptions = {},
  onProgress?: ListingProgress,
): Promise<Dataset> {
  const safe = withoutLfsPointers(folder);
  for (const format of FORMATS) {
    const root = await format.find(safe);
    if (root) return format.open(root, options, onProgress);
  }
  const paths = await safe.list();
  const foreign = paths && foreignFormat(paths);
  if (foreign) {
    throw new ModelError(
      'unsupported',
      `${folder.name} holds ${foreign.name} (${foreign.file}); LeRobot, RLDS (TFDS) and HDF5 are read.`,
      foreign.hint,
    );
  }
  throw new ModelError(
    'bad-file',
    `${folder.name} is not a dataset of a known format: it has no meta/info.json (LeRobot)${paths ? ',' : ' and'} ` +
      `no features.json with dataset_info.json (RLDS)${paths ? ' and no .hdf5 file' : ''}.`,
    paths
      ? 'Choose the folder that holds meta, data and videos, the version of a TFDS dataset, or HDF5 files.'
      : 'A server that cannot list its files needs the address of that folder itself, or of an .hdf5 file.',
  );
}
