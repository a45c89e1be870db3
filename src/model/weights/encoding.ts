// LEAD → weights engineer: runtime/ort-runtime.ts and network/token-embedding.ts code against this type and
// `decodeFloat32(weight)`, `decodeRows(weight, rows)`. Keep the names; replace the bodies (f16, q8, q4) and this comment.

export interface EncodedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly encoding: 'f32' | 'f16' | 'q8' | 'q4';
  readonly data: Uint8Array<ArrayBuffer>;
  readonly scales?: Float32Array<ArrayBuffer>;
}

/** All values as float32, row-major. No copy for an aligned f32 tensor. */
export function decodeFloat32(weight: EncodedTensor): Float32Array {
  return new Float32Array(weight.data.buffer, weight.data.byteOffset, weight.data.byteLength / 4);
}

/** The given rows (first axis) of a 2-D tensor as float32, one after another. */
export function decodeRows(weight: EncodedTensor, rows: readonly number[]): Float32Array {
  const width = weight.shape[1]!;
  const all = decodeFloat32(weight);
  const out = new Float32Array(rows.length * width);
  rows.forEach((row, i) => out.set(all.subarray(row * width, (row + 1) * width), i * width));
  return out;
}
