/**
 * Whether a file is an adapter: safetensors of floats and nothing else. Looks at the header only, so a file of any size
 * is checked in a few megabytes of memory, and nothing in it is ever run. Used by the server on what it is sent and by the page
 * on what it fetches.
 */
import * as v from 'valibot';
import { ModelError } from '../model/errors.ts';

/** A file that is read by parts; offsets and lengths in bytes. `read` gives exactly `length` bytes. */
export interface ReadableFile {
  readonly size: number;
  read(offset: number, length: number): Promise<Uint8Array>;
}

const MAX_HEADER_BYTES = 4 * 2 ** 20;
const MAX_TENSORS = 20_000;
const DTYPE_BYTES = { F32: 4, F16: 2, BF16: 2 } as const;
const NAME = /^[A-Za-z0-9_.-]{1,256}$/;
const RESERVED = ['__proto__', 'constructor'];

const size = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const tensorSchema = v.strictObject({
  dtype: v.picklist(Object.keys(DTYPE_BYTES) as (keyof typeof DTYPE_BYTES)[]),
  shape: v.pipe(v.array(size), v.maxLength(8)),
  data_offsets: v.tuple([size, size]),
});

/**
 * Reads the header of a safetensors file and checks that it describes every byte of the file exactly once.
 * @throws ModelError `bad-file` saying what was found instead
 */
export async function checkAdapterFile(file: ReadableFile): Promise<void> {
  if (file.size < 10) throw refused(`it has ${file.size} bytes, a header alone has more`);
  const start = await file.read(0, Math.min(file.size, 16));
  const headerLength = Number(new DataView(start.buffer, start.byteOffset).getBigUint64(0, true));
  if (headerLength > Math.min(MAX_HEADER_BYTES, file.size - 8)) {
    throw refused(
      foreignFormat(start) ??
        `its header claims ${headerLength} bytes; the file has ${file.size}, and ${MAX_HEADER_BYTES} is the most`,
    );
  }
  const header = parseHeader(await file.read(8, headerLength));
  checkTensors(header, file.size - 8 - headerLength);
}

function parseHeader(bytes: Uint8Array): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (cause) {
    throw refused('its header is no JSON', cause);
  }
  if (typeof header === 'object' && header !== null && !Array.isArray(header))
    return header as Record<string, unknown>;
  throw refused('its header is no JSON object');
}

function checkTensors(header: Record<string, unknown>, dataLength: number): void {
  const ranges: { name: string; start: number; end: number }[] = [];
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') checkMetadata(entry);
    else ranges.push({ name, ...tensorRange(name, entry) });
    if (ranges.length > MAX_TENSORS) throw refused(`it has more than ${MAX_TENSORS} tensors`);
  }
  if (ranges.length === 0) throw refused('there is no tensor in it');
  let end = 0;
  for (const range of ranges.toSorted((a, b) => a.start - b.start || a.end - b.end)) {
    if (range.start !== end) {
      throw refused(`"${range.name}" starts at byte ${range.start}, the one before it ends at ${end}`);
    }
    end = range.end;
  }
  if (end !== dataLength) throw refused(`its tensors take ${end} bytes, there are ${dataLength}`);
}

function checkMetadata(metadata: unknown): void {
  const isText =
    typeof metadata === 'object' &&
    metadata !== null &&
    !Array.isArray(metadata) &&
    Object.values(metadata).every((value) => typeof value === 'string');
  if (!isText) throw refused('its metadata is not text by name');
}

function tensorRange(name: string, entry: unknown): { start: number; end: number } {
  if (!NAME.test(name) || RESERVED.includes(name)) {
    throw refused(`${JSON.stringify(name.slice(0, 80))} is no name of a tensor`);
  }
  const parsed = v.safeParse(tensorSchema, entry, { abortEarly: true });
  if (!parsed.success) {
    throw refused(`the entry of "${name}" is wrong: ${parsed.issues[0].message.slice(0, 200)}`);
  }
  const { dtype, shape, data_offsets: offsets } = parsed.output;
  const [start, end] = offsets;
  const byteLength = shape.reduce((product, dim) => product * dim, DTYPE_BYTES[dtype]);
  if (!Number.isSafeInteger(byteLength) || end - start !== byteLength) {
    throw refused(
      `"${name}" is ${dtype} [${shape.join(', ')}], ${byteLength} bytes, but has ${end - start} in the file`,
    );
  }
  return { start, end };
}

/** What a file is that is no safetensors, by its first bytes; null when they say nothing. */
function foreignFormat(start: Uint8Array): string | null {
  const begins = (...bytes: number[]) => bytes.every((byte, at) => start[at] === byte);
  if (begins(0x50, 0x4b)) return 'it is a zip archive (PyTorch files are)';
  if (begins(0x80) && start[1]! >= 2 && start[1]! <= 5) return 'it is a Python pickle';
  if (begins(0x1f, 0x8b)) return 'it is a gzip file';
  if (begins(0x3c)) return 'it is a web page';
  return null;
}

function refused(what: string, cause?: unknown): ModelError {
  return new ModelError(
    'bad-file',
    `This is no adapter in the safetensors format: ${what}.`,
    'Share an adapter that this page trained, or export it as safetensors of F32, F16 or BF16.',
    { cause },
  );
}
