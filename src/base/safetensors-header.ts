/**
 * The header of a safetensors file: a u64 length and JSON, then the tensors' bytes. Headers come from strangers, so one counts only
 * where it describes every byte behind it exactly once, as the reference implementation asks (safetensors/src/tensor.rs, `validate`).
 */
import * as v from 'valibot';
import type { ModelError } from './errors.ts';
import {
  DuplicateKeyError,
  JsonLimitError,
  parseStrictJsonInTurns,
  pause,
  STRETCH_MS,
} from './strict-json.ts';

/** A file that is read by parts; offsets and lengths in bytes. `read` gives exactly `length` bytes. */
export interface HeaderSource {
  readonly byteLength: number;
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** What the caller takes, and how it says no. */
export interface HeaderRules<Dtype extends string> {
  /** Bytes per element of each type that may occur. */
  readonly dtypes: Readonly<Record<Dtype, number>>;
  readonly maxHeaderBytes: number;
  /** 20,000 when left out. */
  readonly maxTensors?: number;
  /** @param what is wrong with the file, as a clause: `its header is no JSON` */
  readonly refused: (what: string, cause?: unknown) => ModelError;
}

export interface HeaderTensor<Dtype extends string> {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Of its first byte in the file. */
  readonly offset: number;
  readonly byteLength: number;
}

export interface SafetensorsHeader<Dtype extends string> {
  /** By name, which may be any text. */
  readonly tensors: ReadonlyMap<string, HeaderTensor<Dtype>>;
  /** Text by name that goes with the tensors. */
  readonly metadata: ReadonlyMap<string, string>;
}

/** A 7B policy has some 1,000. They are counted before entries are looked at, which takes most of the time. */
const MAX_TENSORS = 20_000;
/** The patch convolution has four. */
const MAX_DIMENSIONS = 8;
/** Of what a stranger wrote, in a message. */
const MAX_QUOTED = 200;

/** A header is an object of objects, with arrays in them. */
const MAX_DEPTH = 8;

const METADATA = '__metadata__';

const size = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** Reads the header and nothing behind it. @throws the error that `rules` make of what is wrong */
export async function readSafetensorsHeader<Dtype extends string>(
  file: HeaderSource,
  rules: HeaderRules<Dtype>,
): Promise<SafetensorsHeader<Dtype>> {
  const { maxHeaderBytes, maxTensors = MAX_TENSORS, refused } = rules;
  if (file.byteLength < 10) throw refused(`it has ${file.byteLength} bytes, a header alone has more`);
  const start = await file.read(0, 8);
  const headerLength = Number(new DataView(start.buffer, start.byteOffset).getBigUint64(0, true));
  if (headerLength > Math.min(maxHeaderBytes, file.byteLength - 8)) {
    throw refused(
      foreignFormat(start) ??
        `its header claims ${headerLength} bytes; the file has ${file.byteLength}, and ${maxHeaderBytes} is the most`,
    );
  }
  const header = await parseJson(await file.read(8, headerLength), maxTensors, rules);
  const names = Object.keys(header).filter((name) => name !== METADATA);
  if (names.length > maxTensors)
    throw refused(`it has ${names.length} tensors, and ${maxTensors} is the most`);
  const dataStart = 8 + headerLength;
  const entry = entrySchema(rules.dtypes);
  const tensors = new Map<string, HeaderTensor<Dtype>>();
  let started = performance.now();
  for (const name of names) {
    tensors.set(name, tensorOf(name, v.safeParse(entry, header[name]), dataStart, rules));
    // A server reads headers between the requests of others.
    if (performance.now() - started < STRETCH_MS) continue;
    await pause();
    started = performance.now();
  }
  refuseGapsAndOverlaps(tensors, dataStart, file.byteLength, rules);
  return {
    tensors,
    metadata: Object.hasOwn(header, METADATA) ? metadataOf(header[METADATA], rules) : new Map(),
  };
}

type Refusing = Pick<HeaderRules<string>, 'refused'>;

async function parseJson(
  bytes: Uint8Array,
  maxTensors: number,
  { refused }: Refusing,
): Promise<Record<string, unknown>> {
  let header: unknown;
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    header = await parseStrictJsonInTurns(text, { depth: MAX_DEPTH, keys: 2 * maxTensors });
  } catch (cause) {
    const known = cause instanceof DuplicateKeyError || cause instanceof JsonLimitError;
    throw refused(known ? `in its header ${cause.message}` : 'its header is no JSON', cause);
  }
  if (typeof header === 'object' && header !== null && !Array.isArray(header))
    return header as Record<string, unknown>;
  throw refused('its header is no JSON object');
}

/** Valibot's record passes over `__proto__`, so this looks itself. */
function metadataOf(json: unknown, { refused }: Refusing): ReadonlyMap<string, string> {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw refused('its metadata is not text by name');
  const entries: [string, unknown][] = Object.entries(json);
  return new Map(
    entries.map(([key, value]) => {
      if (typeof value === 'string') return [key, value];
      throw refused(`its metadata has ${quoted(key)}, which is not text`);
    }),
  );
}

function entrySchema<Dtype extends string>(dtypes: Readonly<Record<Dtype, number>>) {
  return v.strictObject({
    dtype: v.picklist(Object.keys(dtypes) as Dtype[]),
    shape: v.pipe(
      // The length first: looking at every size of a long list takes its time.
      v.custom<unknown[]>(
        (value) => Array.isArray(value) && value.length <= MAX_DIMENSIONS,
        ({ input }) =>
          Array.isArray(input)
            ? `its shape has ${input.length} dimensions, ${MAX_DIMENSIONS} is the most`
            : 'its shape is not a list',
      ),
      v.array(size),
    ),
    data_offsets: v.tuple([size, size]),
  });
}

function tensorOf<Dtype extends string>(
  name: string,
  parsed: v.SafeParseResult<ReturnType<typeof entrySchema<Dtype>>>,
  dataStart: number,
  { dtypes, refused }: HeaderRules<Dtype>,
): HeaderTensor<Dtype> {
  if (!parsed.success) {
    throw refused(`the entry of ${quoted(name)} is wrong: ${parsed.issues[0].message.slice(0, MAX_QUOTED)}`);
  }
  const { dtype, shape, data_offsets: offsets } = parsed.output;
  const [start, end] = offsets;
  const byteLength = shape.reduce((product, dim) => product * dim, dtypes[dtype]);
  if (!Number.isSafeInteger(byteLength) || end - start !== byteLength) {
    throw refused(
      `${quoted(name)} is ${dtype} [${shape.join(', ')}], ${byteLength} bytes, but has ${end - start} in the file`,
    );
  }
  return { dtype, shape, offset: dataStart + start, byteLength };
}

function refuseGapsAndOverlaps(
  tensors: ReadonlyMap<string, HeaderTensor<string>>,
  dataStart: number,
  fileLength: number,
  { refused }: Refusing,
): void {
  const inOrder = [...tensors].toSorted(([, a], [, b]) => a.offset - b.offset || a.byteLength - b.byteLength);
  let end = dataStart;
  for (const [name, { offset, byteLength }] of inOrder) {
    if (offset !== end) {
      throw refused(
        `${quoted(name)} starts at byte ${offset - dataStart}, the one before it ends at ${end - dataStart}`,
      );
    }
    end += byteLength;
  }
  if (end !== fileLength)
    throw refused(`its tensors take ${end - dataStart} bytes, there are ${fileLength - dataStart}`);
}

/** What a file is that is not a safetensors file, by its first bytes; null when they say nothing. */
function foreignFormat(start: Uint8Array): string | null {
  const begins = (...bytes: number[]) => bytes.every((byte, at) => start[at] === byte);
  if (begins(0x50, 0x4b)) return 'it is a zip archive (PyTorch files are)';
  if (begins(0x80) && start[1]! >= 2 && start[1]! <= 5) return 'it is a Python pickle';
  if (begins(0x1f, 0x8b)) return 'it is a gzip file';
  if (begins(0x3c)) return 'it is a web page';
  return null;
}

const quoted = (name: string): string => JSON.stringify(name.slice(0, MAX_QUOTED));
