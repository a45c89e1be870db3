/**
 * `tf.train.Example` messages (tensorflow, core/example/{example, feature}.proto), read by ranges: an episode is one message of many
 * megabytes, nearly all of them pictures, and what is not asked for is stepped over.
 */
import type { ByteReader } from '../io/byte-reader.ts';
import { ModelError } from '../base/errors.ts';

/** A list's kind is its field in `Feature`. */
const BYTES = 1;
const FLOATS = 2;
const INTEGERS = 3;

interface Span {
  readonly start: number;
  readonly end: number;
}

interface Entry extends Span {
  /** 0 for an empty feature. */
  readonly kind: number;
}

/** A damaged record may claim any number of features, a key of any length. */
const MOST_FEATURES = 10_000;
const MOST_KEY_BYTES = 1024;
/** Numbers and texts of one feature of an episode; pictures are not read at once. */
const MOST_VALUE_BYTES = 256 * 2 ** 20;

export class Example {
  readonly #record: ByteReader;
  readonly #entries: ReadonlyMap<string, Entry>;
  readonly #elements = new Map<string, Promise<Span[]>>();

  private constructor(record: ByteReader, entries: ReadonlyMap<string, Entry>) {
    this.#record = record;
    this.#entries = entries;
  }

  /** @throws ModelError `bad-file` for what is not such a message */
  static async index(record: ByteReader): Promise<Example> {
    const cursor = new Cursor(record);
    const entries = new Map<string, Entry>();
    for await (const features of cursor.fields({ start: 0, end: record.byteLength })) {
      if (features.field !== 1) continue;
      for await (const entry of cursor.fields(features.span)) {
        if (entry.field !== 1) continue;
        if (entries.size >= MOST_FEATURES)
          throw damaged(record.name, `it has over ${MOST_FEATURES} features`);
        let key = '';
        let value: Entry = { kind: 0, start: 0, end: 0 };
        for await (const part of cursor.fields(entry.span)) {
          if (part.field === 1) key = await cursor.text(part.span, MOST_KEY_BYTES);
          if (part.field !== 2) continue;
          for await (const list of cursor.fields(part.span)) value = { kind: list.field, ...list.span };
        }
        entries.set(key, value);
      }
    }
    return new Example(record, entries);
  }

  /** For messages: the file's. */
  get name(): string {
    return this.#record.name;
  }

  has(key: string): boolean {
    return this.#entries.has(key);
  }

  /** Numbers of a feature; integers and booleans too. @throws ModelError `bad-file` where it is missing or of another kind */
  async numbers(key: string): Promise<Float32Array> {
    const entry = this.#entry(key);
    if (entry.kind === 0) return new Float32Array();
    if (entry.kind !== FLOATS && entry.kind !== INTEGERS)
      throw damaged(this.#record.name, `${key} does not hold numbers`);
    if (entry.end - entry.start > MOST_VALUE_BYTES)
      throw damaged(this.#record.name, `${key} has too many values`);
    const bytes = await this.#record.slice(entry.start, entry.end);
    return entry.kind === FLOATS ? this.#floats(bytes, key) : this.#integers(bytes, key);
  }

  /** How many elements a list of texts or pictures has. */
  async count(key: string): Promise<number> {
    return (await this.#list(key)).length;
  }

  async texts(key: string): Promise<string[]> {
    const entry = this.#entry(key);
    if (entry.end - entry.start > MOST_VALUE_BYTES)
      throw damaged(this.#record.name, `${key} has too many bytes`);
    const texts: string[] = [];
    for (const { start, end } of await this.#list(key)) {
      texts.push(new TextDecoder().decode(await this.#record.slice(start, end)));
    }
    return texts;
  }

  /** One element of a list of bytes, such as a picture. */
  async bytes(key: string, index: number): Promise<Uint8Array<ArrayBuffer>> {
    const span = (await this.#list(key))[index];
    if (!span) throw damaged(this.#record.name, `${key} has nothing at step ${index}`);
    return this.#record.slice(span.start, span.end);
  }

  #entry(key: string): Entry {
    const entry = this.#entries.get(key);
    if (entry) return entry;
    throw damaged(this.#record.name, `an episode has no ${key}`);
  }

  #list(key: string): Promise<Span[]> {
    const known = this.#elements.get(key);
    if (known) return known;
    const listing = this.#listElements(key);
    this.#elements.set(key, listing);
    listing.catch(() => this.#elements.delete(key));
    return listing;
  }

  async #listElements(key: string): Promise<Span[]> {
    const entry = this.#entry(key);
    if (entry.kind !== BYTES && entry.kind !== 0)
      throw damaged(this.#record.name, `${key} does not hold bytes`);
    const spans: Span[] = [];
    for await (const { field, span } of new Cursor(this.#record).fields(entry))
      if (field === 1) spans.push(span);
    return spans;
  }

  /** Packed, as every writer writes them, or one by one. */
  #floats(bytes: Uint8Array, key: string): Float32Array {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const values: Float32Array[] = [];
    for (let at = 0; at < bytes.length;) {
      const tag = bytes[at++]!;
      const [length, next]: [number, number] =
        tag === 0x0d ? [4, at] : tag === 0x0a ? varint(bytes, at) : [-1, at];
      if (length < 0 || length % 4 !== 0 || next + length > bytes.length) {
        throw damaged(this.#record.name, `${key} is not a list of numbers`);
      }
      values.push(Float32Array.from({ length: length / 4 }, (_, i) => view.getFloat32(next + 4 * i, true)));
      at = next + length;
    }
    return concatenated(values);
  }

  #integers(bytes: Uint8Array, key: string): Float32Array {
    const values: number[] = [];
    for (let at = 0; at < bytes.length;) {
      const tag = bytes[at++]!;
      // One value, or a list of them.
      const [length, from]: [number, number] =
        tag === 0x08 ? [1, at] : tag === 0x0a ? varint(bytes, at) : [-1, at];
      const end = length < 0 ? Infinity : from + length;
      at = from;
      while (at < end && end <= bytes.length) {
        const [value, next] = signedVarint(bytes, at);
        if (next < 0) break;
        values.push(value);
        at = next;
      }
      if (at < end) throw damaged(this.#record.name, `${key} is not a list of whole numbers`);
    }
    return Float32Array.from(values);
  }
}

function concatenated(parts: readonly Float32Array[]): Float32Array {
  if (parts.length === 1) return parts[0]!;
  const out = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** A length and what follows it; [−1, …] for none. */
function varint(bytes: Uint8Array, at: number): [number, number] {
  let value = 0;
  for (let shift = 1; at < bytes.length && shift <= 2 ** 49; shift *= 128) {
    const byte = bytes[at++]!;
    value += (byte & 127) * shift;
    if (byte < 128) return [value, at];
  }
  return [-1, at];
}

/** 64 bits in two's complement; [0, −1] for none. */
function signedVarint(bytes: Uint8Array, at: number): [number, number] {
  let value = 0n;
  for (let shift = 0n; at < bytes.length && shift < 70n; shift += 7n) {
    const byte = bytes[at++]!;
    value |= BigInt(byte & 127) << shift;
    if (byte < 128) return [Number(BigInt.asIntN(64, value)), at];
  }
  return [0, -1];
}

function damaged(name: string, what: string): ModelError {
  return new ModelError('bad-file', `${name} is damaged: ${what}.`, 'Copy the dataset again.');
}

/** Reads fields through a window that moves along: what is stepped over is not read. */
class Cursor {
  readonly #record: ByteReader;
  #window: Uint8Array = new Uint8Array();
  #from = 0;

  constructor(record: ByteReader) {
    this.#record = record;
  }

  /** Fields with a length (wire type 2) inside a span; others are stepped over. */
  async *fields({ start, end }: Span): AsyncGenerator<{ field: number; span: Span }> {
    for (let at = start; at < end;) {
      await this.#reach(at, Math.min(end, at + 2 * MOST_VARINT));
      const window = this.#window.subarray(0, Math.min(this.#window.length, end - this.#from));
      const [tag, afterTag] = varint(window, at - this.#from);
      const wire = tag & 7;
      const [length, next] =
        wire === 1
          ? [8, afterTag]
          : wire === 5
            ? [4, afterTag]
            : tag < 0
              ? [-1, 0]
              : varint(window, afterTag);
      const from = this.#from + next;
      const to = wire === 0 ? from : from + length;
      if (tag < 8 || length < 0 || to > end || ![0, 1, 2, 5].includes(wire)) {
        throw damaged(this.#record.name, 'a record is not a tf.train.Example');
      }
      if (wire === 2) yield { field: Math.floor(tag / 8), span: { start: from, end: to } };
      at = to;
    }
  }

  async text({ start, end }: Span, most: number): Promise<string> {
    if (end - start > most) throw damaged(this.#record.name, 'the name of a feature is too long');
    await this.#reach(start, end);
    return new TextDecoder().decode(this.#window.subarray(start - this.#from, end - this.#from));
  }

  async #reach(start: number, end: number): Promise<void> {
    if (start >= this.#from && end <= this.#from + this.#window.length) return;
    const until = Math.min(this.#record.byteLength, Math.max(end, start + WINDOW));
    this.#window = await this.#record.slice(start, until);
    this.#from = start;
  }
}

const MOST_VARINT = 10;
const WINDOW = 1024;
