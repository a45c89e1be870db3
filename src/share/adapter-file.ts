/**
 * Whether a file is an adapter: safetensors of floats and nothing else. Looks at the header only, so a file of any size
 * is checked in a few megabytes of memory, and nothing in it is ever run. Used by the server on what it is sent; a page reads
 * adapters with model/finetune/adapter-file.ts, which asks the same of their headers.
 */
import { ModelError } from '../base/errors.ts';
import { readSafetensorsHeader } from '../base/safetensors-header.ts';

/** A file that is read by parts; offsets and lengths in bytes. `read` gives exactly `length` bytes. */
export interface ReadableFile {
  readonly size: number;
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** LoRA on all linear layers of a 7B policy has some 1,300 tensors and a header of 200 kB. */
const RULES = {
  dtypes: { F32: 4, F16: 2, BF16: 2 },
  maxHeaderBytes: 2 ** 19,
  maxTensors: 8000,
  refused,
};
const NAME = /^[A-Za-z0-9_.-]{1,256}$/;
const RESERVED = ['__proto__', 'constructor'];

/**
 * Reads the header of a safetensors file and checks that it describes every byte of the file exactly once, under names that
 * modules can have.
 * @throws ModelError `bad-file` saying what was found instead
 */
export async function checkAdapterFile(file: ReadableFile): Promise<void> {
  const source = {
    byteLength: file.size,
    read: (offset: number, length: number) => file.read(offset, length),
  };
  const { tensors } = await readSafetensorsHeader(source, RULES);
  if (tensors.size === 0) throw refused('there is no tensor in it');
  for (const name of tensors.keys()) {
    if (NAME.test(name) && !RESERVED.includes(name)) continue;
    throw refused(`${JSON.stringify(name.slice(0, 80))} is not the name of a tensor`);
  }
}

function refused(what: string, cause?: unknown): ModelError {
  return new ModelError(
    'bad-file',
    `This is not an adapter in the safetensors format: ${what}.`,
    'Share an adapter that this page trained, or export it as safetensors of F32, F16 or BF16.',
    { cause },
  );
}
