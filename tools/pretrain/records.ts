/** The pretraining data on disk: records of one size, so that any sample is read by its place. */
import { openSync, readSync, closeSync, statSync } from 'node:fs';
import { IMAGE_SIZE } from '../../src/practice/image-size.ts';
import { OBJECT_NAMES } from '../../src/practice/objects.ts';

export const CHUNK = 8;
export const ACTION_DIM = 7;
export const STATE_DIM = 8;
const PIXELS = 2 * IMAGE_SIZE * IMAGE_SIZE * 3;
const FLOATS = STATE_DIM + CHUNK * ACTION_DIM + 5 * OBJECT_NAMES.length;
/** Bytes of a record: pixels, floats, then instruction, target and destination. */
export const RECORD = PIXELS + 4 * FLOATS + 8;

/** One state of an episode and the expert's answer. */
export interface PretrainSample {
  /** RGB of the main and the wrist camera [2, 84, 84, 3]. */
  readonly images: Uint8Array;
  /** [8], in metres and radians. */
  readonly state: Float32Array;
  /** [8 · 7], as the table takes them. */
  readonly actions: Float32Array;
  /** x, y, z of every object of `OBJECT_NAMES`, metres; NaN where it is absent. */
  readonly objects: Float32Array;
  /** Column and row of every object in the main camera's image, pixels; NaN where it is absent. */
  readonly pixels: Float32Array;
  /** Index into `ALL_INSTRUCTIONS`. */
  readonly instruction: number;
  /** Index into `OBJECT_NAMES`. */
  readonly target: number;
  /** Likewise; −1 where the goal has none. */
  readonly destination: number;
}

export function encode(sample: PretrainSample): Buffer {
  const record = Buffer.alloc(RECORD);
  record.set(sample.images, 0);
  const floats = new Float32Array(FLOATS);
  let at = 0;
  for (const part of [sample.state, sample.actions, sample.objects, sample.pixels]) {
    floats.set(part, at);
    at += part.length;
  }
  record.set(new Uint8Array(floats.buffer), PIXELS);
  record.writeUInt16LE(sample.instruction, PIXELS + 4 * FLOATS);
  record.writeInt16LE(sample.target, PIXELS + 4 * FLOATS + 2);
  record.writeInt16LE(sample.destination, PIXELS + 4 * FLOATS + 4);
  return record;
}

function decode(record: Buffer): PretrainSample {
  const floats = new Float32Array(FLOATS);
  new Uint8Array(floats.buffer).set(record.subarray(PIXELS, PIXELS + 4 * FLOATS));
  let at = 0;
  const take = (count: number) => floats.subarray(at, (at += count));
  return {
    images: record.subarray(0, PIXELS),
    state: take(STATE_DIM),
    actions: take(CHUNK * ACTION_DIM),
    objects: take(3 * OBJECT_NAMES.length),
    pixels: take(2 * OBJECT_NAMES.length),
    instruction: record.readUInt16LE(PIXELS + 4 * FLOATS),
    target: record.readInt16LE(PIXELS + 4 * FLOATS + 2),
    destination: record.readInt16LE(PIXELS + 4 * FLOATS + 4),
  };
}

/** Reads records of any of several files by one running number. */
export class RecordReader {
  readonly #files: { readonly handle: number; readonly count: number }[];
  readonly count: number;

  constructor(paths: readonly string[]) {
    this.#files = paths.map((path) => ({
      handle: openSync(path, 'r'),
      count: Math.floor(statSync(path).size / RECORD),
    }));
    this.count = this.#files.reduce((sum, { count }) => sum + count, 0);
  }

  read(index: number): PretrainSample {
    let rest = index;
    for (const { handle, count } of this.#files) {
      if (rest < count) {
        const record = Buffer.alloc(RECORD);
        readSync(handle, record, 0, RECORD, rest * RECORD);
        return decode(record);
      }
      rest -= count;
    }
    throw new RangeError(`There is no sample ${index}; there are ${this.count}.`);
  }

  close(): void {
    for (const { handle } of this.#files) closeSync(handle);
  }
}
