import { withoutLfsPointers } from '../io/git-lfs.ts';
import type { Folder } from '../io/folder.ts';
import { rootWith } from '../io/paths.ts';
import { ModelError } from '../model/errors.ts';
import type { Dataset, OpenOptions } from './dataset.ts';
import { openLeRobot } from './lerobot.ts';

/** A format: how a folder of it is known, and its reader. Readers are loaded when they are needed. */
interface Format {
  readonly name: string;
  /** The folder to open, which may lie deeper; null where the folder is of another format. */
  find(folder: Folder): Promise<Folder | null>;
  open(folder: Folder, options: OpenOptions): Promise<Dataset>;
}

const FORMATS: readonly Format[] = [
  { name: 'LeRobot', find: (folder) => rootWith(folder, 'meta/info.json'), open: openLeRobot },
];

/**
 * Demonstrations in any format that is read, however the folder was wrapped.
 * @throws ModelError `bad-file` for an unknown or damaged one, `unsupported`, `download-failed`
 */
export async function openDataset(folder: Folder, options: OpenOptions = {}): Promise<Dataset> {
  const safe = withoutLfsPointers(folder);
  for (const format of FORMATS) {
    const root = await format.find(safe);
    if (root) return format.open(root, options);
  }
  throw new ModelError(
    'bad-file',
    `${folder.name} is not a dataset of a known format: it has no meta/info.json (LeRobot).`,
    'Choose the folder that holds meta, data and videos.',
  );
}
