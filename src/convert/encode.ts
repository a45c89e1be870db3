/** Pieces of a checkpoint as a package stores them: what the threads of a converter compute. */
import { ModelError } from '../base/errors.ts';
import { encodeRows, type Encoding } from '../model/weights/encoding.ts';
import { decodeFloats, type FileDtype } from '../model/weights/tensor-file.ts';

export interface EncodeJob {
  /** Bytes of a stretch. */
  readonly bytes: ArrayBuffer;
  readonly parts: readonly {
    readonly name: string;
    readonly dtype: FileDtype;
    readonly encoding: Encoding;
    /** Values of a row that is quantised. */
    readonly columns: number;
    readonly start: number;
    readonly byteLength: number;
  }[];
}

export interface EncodedPart {
  readonly data: Uint8Array<ArrayBuffer>;
  readonly scales: Float32Array<ArrayBuffer> | null;
}

/** @throws ModelError `bad-file` for values that are not finite, or not floating ones */
export function encodeParts({ bytes, parts }: EncodeJob): EncodedPart[] {
  return parts.map(({ name, dtype, encoding, columns, start, byteLength }) => {
    const whole = start === 0 && byteLength === bytes.byteLength;
    const values = decodeFloats(name, dtype, whole ? bytes : bytes.slice(start, start + byteLength));
    const quantised = encoding === 'q4' || encoding === 'q8';
    if (!quantised) refuseNotFinite(name, values);
    try {
      return encodeRows(values, columns, encoding);
    } catch (error) {
      // Quantising looks at each block, but does not know whose it is.
      refuseNotFinite(name, values);
      throw error;
    }
  });
}

/** A policy with such a weight predicts nothing but NaN. */
function refuseNotFinite(name: string, values: Float32Array): void {
  // x − x is 0 for what is finite and NaN otherwise: one test for all.
  let finite = 0;
  for (let i = 0; i < values.length; i++) finite += values[i]! - values[i]!;
  if (finite === 0) return;
  const bad = values.find((value) => !Number.isFinite(value));
  throw new ModelError(
    'bad-file',
    `"${name}" holds ${bad}, where every weight has to be a finite number.`,
    'The checkpoint is damaged, or its training diverged. Download it again, or take an earlier one.',
  );
}
