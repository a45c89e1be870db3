import { configure, Reader, ZipReader } from '@zip.js/zip.js';
import { ModelError } from '../errors.ts';
import { checkRange, type RandomAccess } from './random-access.ts';

// Nothing is inflated here, so no worker is needed.
configure({ useWebWorkers: false });

/** A zip whose entries are stored, not deflated, so that any range of an entry is read directly. */
export interface StoredZip {
  readonly names: readonly string[];
  has(name: string): boolean;
  sizeOf(name: string): number;
  read(name: string, offset?: number, length?: number): Promise<Uint8Array<ArrayBuffer>>;
}

class AccessReader extends Reader<RandomAccess> {
  readonly #access: RandomAccess;

  constructor(access: RandomAccess) {
    super(access);
    this.#access = access;
    this.size = access.byteLength;
  }

  override readUint8Array(index: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    return this.#access.read(index, Math.min(length, this.#access.byteLength - index));
  }
}

/** Length of a local file header before its two variable parts (APPNOTE.TXT 4.3.7). */
const LOCAL_HEADER_BYTES = 30;
const LOCAL_HEADER_SIGNATURE = 0x04034b50;

/** @throws ModelError `bad-file` for a damaged zip, `unsupported` for deflated or encrypted entries. */
export async function openStoredZip(file: RandomAccess): Promise<StoredZip> {
  const entries = await readDirectory(file);
  const starts = new Map<string, number>();
  const entryOf = (name: string) => {
    const entry = entries.get(name);
    if (!entry) throw new ModelError('bad-file', `The archive has no record "${name}".`);
    return entry;
  };
  const dataStart = async (name: string): Promise<number> => {
    const known = starts.get(name);
    if (known !== undefined) return known;
    const { offset } = entryOf(name);
    const header = new DataView((await file.read(offset, LOCAL_HEADER_BYTES)).buffer);
    if (header.getUint32(0, true) !== LOCAL_HEADER_SIGNATURE) {
      throw new ModelError(
        'bad-file',
        `The archive's record "${name}" does not start where its directory says.`,
      );
    }
    const start = offset + LOCAL_HEADER_BYTES + header.getUint16(26, true) + header.getUint16(28, true);
    starts.set(name, start);
    return start;
  };
  return {
    names: [...entries.keys()],
    has: (name) => entries.has(name),
    sizeOf: (name) => entryOf(name).size,
    read: async (name, offset = 0, length) => {
      const { size } = entryOf(name);
      const wanted = length ?? size - offset;
      checkRange({ byteLength: size }, offset, wanted);
      return file.read((await dataStart(name)) + offset, wanted);
    },
  };
}

async function readDirectory(file: RandomAccess): Promise<Map<string, { offset: number; size: number }>> {
  const entries = new Map<string, { offset: number; size: number }>();
  try {
    const reader = new ZipReader(new AccessReader(file));
    for (const entry of await reader.getEntries()) {
      if (entry.directory) continue;
      if (entry.compressionMethod !== 0 || entry.encrypted) {
        throw new ModelError(
          'unsupported',
          `The archive's record "${entry.filename}" is compressed or encrypted; torch.save stores records plainly.`,
        );
      }
      entries.set(entry.filename, { offset: entry.offset, size: entry.uncompressedSize });
    }
  } catch (error) {
    if (error instanceof ModelError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new ModelError(
      'bad-file',
      `This is no intact torch archive: ${reason}.`,
      'Copy or download the file again.',
      { cause: error },
    );
  }
  return entries;
}
