/** Demonstrations → a LeRobot dataset, as a zip, in a folder or on the Hub. Files are made while they are handed on. */
import type { Dataset } from '../../episodes/dataset.ts';
import { cardFile } from '../../episodes/lerobot-writer/card.ts';
import { leRobotFiles, type StreamedFile } from '../../episodes/lerobot-writer/files.ts';
import { uploadToHub } from '../../io/hub-upload.ts';
import { ModelError } from '../../base/errors.ts';
import { zipBlob } from '../../model/weights/zip-folder.ts';
import type { LeRobotForm, WrittenDataset, WriteTarget } from '../boundary/contract-demonstrations.ts';

/** @throws ModelError as `leRobotFiles` and `uploadToHub`, `bad-input` for a folder with something in it, `storage-full` */
export async function writeDataset(
  dataset: Dataset,
  to: WriteTarget,
  form: LeRobotForm,
  how: { readonly signal: AbortSignal; readonly onProgress: (done: number, total: number) => void },
): Promise<WrittenDataset> {
  const notes: string[] = [];
  const files = leRobotFiles(dataset, {
    ...form,
    ...how,
    onNote: (note) => notes.push(note),
  });
  if (to.kind === 'zip') return { zip: await zipBlob(files), url: null, notes };
  if (to.kind === 'folder') {
    await intoFolder(to.folder, files);
    return { zip: null, url: null, notes };
  }
  const { repo, visibility, token } = to;
  const withCard = async function* () {
    yield* files;
    yield cardFile(dataset, repo);
  };
  const url = await uploadToHub(withCard(), {
    repo,
    visibility,
    token,
    tag: form.version,
    signal: how.signal,
  });
  return { zip: null, url, notes };
}

/** A dataset's folder holds nothing else: old files beside new ones would be read as part of it. */
async function intoFolder(
  root: FileSystemDirectoryHandle,
  files: AsyncGenerator<StreamedFile>,
): Promise<void> {
  for await (const name of root.keys()) {
    throw new ModelError(
      'bad-input',
      `The folder "${root.name}" is not empty: it has ${name}.`,
      'Choose an empty folder, or make a new one.',
    );
  }
  try {
    for await (const { path, chunks } of files) await intoFile(root, path, chunks());
  } catch (error) {
    if (error instanceof DOMException && error.name === 'QuotaExceededError') {
      throw new ModelError('storage-full', 'There is no room left for the dataset.', 'Free some space.', {
        cause: error,
      });
    }
    throw error;
  }
}

async function intoFile(
  root: FileSystemDirectoryHandle,
  path: string,
  chunks: AsyncIterable<Uint8Array<ArrayBuffer>>,
): Promise<void> {
  const folders = path.split('/');
  const name = folders.pop()!;
  let folder = root;
  for (const one of folders) folder = await folder.getDirectoryHandle(one, { create: true });
  const out = await (await folder.getFileHandle(name, { create: true })).createWritable();
  try {
    for await (const chunk of chunks) await out.write(chunk);
    await out.close();
  } catch (error) {
    await out.abort().catch(() => undefined);
    throw error;
  }
}
