/** Exported folders in memory. */
import type { ImportFolder } from '../../src/model/finetune/import-checkpoint.ts';
import type { HostTensor, TrainedState } from '../../src/model/finetune/trained.ts';
import { blobReader, memoryReader } from '../../src/io/byte-reader.ts';
import { zipFolder } from '../../src/io/zip-folder.ts';
import { checkpointFolder } from '../../src/model/weights/checkpoint.ts';
import { openSafetensors } from '../../src/model/weights/safetensors.ts';
import type { TensorFile } from '../../src/model/weights/tensor-file.ts';
import { openTorchArchive } from '../../src/model/weights/torch-archive.ts';
import type { FolderFile } from '../../src/model/weights/zip-folder.ts';
import { collectBytes } from '../../src/model/weights/zip-writer.ts';
import { difference } from '../setup/compare.ts';

export interface MemoryFolder extends ImportFolder {
  readonly bytes: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
}

/** Files of an export as a folder, without the outer one that gives its name. */
export async function memoryFolder(files: readonly FolderFile[]): Promise<MemoryFolder> {
  const name = files[0]!.path.split('/')[0]!;
  const bytes = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const file of files) bytes.set(file.path.slice(name.length + 1), await collectBytes(file));
  return { name, bytes, files: [...bytes.keys()], open: async (path) => memoryReader(bytes.get(path)!) };
}

/** An export that was packed. */
export async function openZip(zip: Blob): Promise<ImportFolder> {
  return checkpointFolder(await zipFolder('packed.zip', blobReader(zip, 'packed.zip')));
}

export const ADAPTER = 'lora_adapter/adapter_model.safetensors';

export const openIn = async (folder: Pick<ImportFolder, 'open'>, path: string): Promise<TensorFile> =>
  path.endsWith('.pt') ? openTorchArchive(await folder.open(path)) : openSafetensors(await folder.open(path));

export const readTextIn = (folder: MemoryFolder, path: string): string =>
  new TextDecoder().decode(folder.bytes.get(path));

const factsOf = ({ run, step, lora, statistics }: TrainedState): string =>
  JSON.stringify({ run, step, lora, statistics });

const namesOf = (tensors: ReadonlyMap<string, HostTensor>): string => [...tensors.keys()].toSorted().join();

/** Where two states differ, in a sentence; null where they are the same to the bit. */
export function stateDifference(found: TrainedState, expected: TrainedState): string | null {
  if (factsOf(found) !== factsOf(expected)) return `${factsOf(found)} instead of ${factsOf(expected)}`;
  const [ours, theirs] = [tensorsOf(found), tensorsOf(expected)];
  if (namesOf(ours) !== namesOf(theirs)) return `${namesOf(ours)} instead of ${namesOf(theirs)}`;
  for (const [name, { shape, data }] of theirs) {
    const tensor = ours.get(name)!;
    if (tensor.shape.join() !== shape.join())
      return `${name} is [${tensor.shape.join()}] instead of [${shape.join()}]`;
    const values = difference(tensor.data, data, 0, name);
    if (values) return values;
  }
  return null;
}

function tensorsOf({ adapters, modules }: TrainedState): Map<string, HostTensor> {
  const tensors = new Map(modules);
  for (const [name, { a, b }] of adapters) tensors.set(`${name} A`, a).set(`${name} B`, b);
  return tensors;
}
