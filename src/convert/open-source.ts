/** The folder of a checkpoint, wherever it is. */
import { blobFolder } from '../io/blob-folder.ts';
import { blobReader } from '../io/byte-reader.ts';
import type { Folder } from '../io/folder.ts';
import { openAddress, type AddressOptions } from '../io/open-address.ts';
import { rootWith } from '../io/paths.ts';
import { zipFolder } from '../io/zip-folder.ts';
import { ModelError } from '../base/errors.ts';
import { checkpointFolder, type CheckpointFolder } from '../model/weights/checkpoint.ts';
import { guessedFiles } from './guessed-files.ts';

/** Weights pass by once: only headers are worth remembering. */
const CACHE = { blockBytes: 4 * 2 ** 10, keptBytes: 64 * 2 ** 10 };

/** @throws ModelError `bad-input`, `download-failed`, `bad-file` */
export async function openCheckpointAddress(
  address: string,
  options: AddressOptions,
): Promise<CheckpointFolder> {
  const folder = await openAddress(address, { ...options, hubType: 'model', noStore: true, cache: CACHE });
  return inside((await folder.list()) ? folder : await guessedFiles(folder));
}

/** @param files each with its path inside what was chosen or dropped, the folder's own name first */
export async function openCheckpointFiles(
  files: readonly { readonly path: string; readonly file: Blob }[],
): Promise<CheckpointFolder> {
  const [only] = files;
  if (files.length === 1 && only && /\.zip$/i.test(only.path))
    return inside(await zipFolder(only.path, blobReader(only.file, only.path)));
  const top = only?.path.replace(/^\//, '').split('/')[0] ?? '';
  return inside(blobFolder(top || 'The folder', files));
}

/** The folder that config.json lies in, however it was wrapped. */
async function inside(folder: Folder): Promise<CheckpointFolder> {
  const root = await rootWith(folder, 'config.json');
  if (root) return checkpointFolder(root);
  if (await rootWith(folder, 'manifest.json')) {
    throw new ModelError(
      'bad-input',
      `${folder.name} is a policy package, which needs no conversion.`,
      'Open it by the address of its manifest.json, or add its folder under "Policies on this device".',
    );
  }
  throw new ModelError(
    'bad-file',
    `${folder.name} is not a checkpoint: it has no config.json.`,
    'Choose the folder that a Hugging Face or Prismatic checkpoint lies in, with all of its files.',
  );
}
