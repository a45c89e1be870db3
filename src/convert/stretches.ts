/**
 * The work in the order in which the checkpoint's files hold it. A stretch is what is read in one go, some megabytes of a file with
 * pieces of one or many tensors; what has been written is counted in stretches, and a conversion resumes at one.
 */
import type { ByteReader } from '../io/byte-reader.ts';
import { encodedParts } from '../model/weights/encoding.ts';
import type { PackageTensor } from '../model/weights/manifest.ts';
import { DTYPE_BYTES, elementCount, type FileDtype, type TensorFile } from '../model/weights/tensor-file.ts';
import type { PackageLayout } from './layout.ts';

/** Whole rows of a tensor, and where they go. */
export interface Piece {
  readonly tensor: PackageTensor;
  readonly dtype: FileDtype;
  /** Of its bytes in the stretch. */
  readonly start: number;
  readonly byteLength: number;
  /** Where its values, and its scales, go in the package. */
  readonly values: Span;
  readonly scales: Span | null;
}

/** Bytes of a package, over its shards laid end to end. */
export interface Span {
  readonly offset: number;
  readonly byteLength: number;
}

export interface Stretch {
  /** Where it lies; null for rows that are computed when they are read (a LoRA that is merged). */
  readonly file: ByteReader | null;
  readonly start: number;
  readonly end: number;
  readonly pieces: readonly Piece[];
}

/** Read at once, of a type of two bytes: 8 MB. */
export const STRETCH_BYTES = 8 * 2 ** 20;
/** What lies between tensors is read along up to this size: headers of a zip's entries, padding. */
const MOST_GAP = 64 * 2 ** 10;
/** Places inside an archive are looked up so many at a time. */
const LOOKED_UP = 8;

interface Placed {
  readonly tensor: PackageTensor;
  readonly dtype: FileDtype;
  readonly file: ByteReader | null;
  readonly start: number;
}

/** @param stretchBytes shorter stretches, for tests */
export async function stretchesOf(
  tensors: TensorFile,
  layout: PackageLayout,
  stretchBytes: number = STRETCH_BYTES,
): Promise<Stretch[]> {
  const placed: Placed[] = [];
  for (let i = 0; i < layout.tensors.length; i += LOOKED_UP) {
    const group = layout.tensors.slice(i, i + LOOKED_UP);
    placed.push(...(await Promise.all(group.map((tensor) => placeOf(tensors, tensor)))));
  }
  const files = [...new Set(placed.map(({ file }) => file))];
  // What is computed comes last.
  const order = new Map(files.map((file, i) => [file, file === null ? Infinity : i]));
  placed.sort((a, b) => order.get(a.file)! - order.get(b.file)! || a.start - b.start);
  return cut(placed, stretchBytes);
}

async function placeOf(tensors: TensorFile, tensor: PackageTensor): Promise<Placed> {
  const { dtype } = tensors.entries.get(tensor.name)!;
  let place = tensors.placeOf(tensor.name);
  for (let outer = place?.file.within; place && outer; outer = place.file.within) {
    const { file, start } = await outer();
    place = { file, start: place.start + start };
  }
  return { tensor, dtype, file: place?.file ?? null, start: place?.start ?? 0 };
}

function cut(placed: readonly Placed[], stretchBytes: number): Stretch[] {
  const stretches: { file: ByteReader | null; start: number; end: number; pieces: Piece[] }[] = [];
  for (const { file, ...of } of placed) {
    for (const rows of rowsOf(of, stretchBytes)) {
      const { start } = rows;
      const end = start + rows.byteLength;
      const last = stretches.at(-1);
      const joins =
        last !== undefined &&
        file !== null &&
        last.file === file &&
        start - last.end <= MOST_GAP &&
        end - last.start <= stretchBytes;
      const into = joins ? last : { file, start, end, pieces: [] };
      if (!joins) stretches.push(into);
      into.pieces.push({ ...rows, start: start - into.start });
      into.end = Math.max(into.end, end);
    }
  }
  return stretches;
}

/** The rows of a tensor, as many at a time as fit; `start` counts in the file, or in the tensor where it lies in none. */
function* rowsOf({ tensor, dtype, start }: Omit<Placed, 'file'>, stretchBytes: number): Generator<Piece> {
  const { shape, encoding, offset, scalesOffset } = tensor;
  const rows = shape[0] ?? 1;
  const rowBytes = elementCount(shape.slice(1)) * DTYPE_BYTES[dtype];
  // The same bytes of a package a row, whatever the rows: its blocks end with it.
  const encoded = encodedParts([1, ...shape.slice(1)], encoding);
  const atOnce = Math.max(1, Math.floor(stretchBytes / Math.max(1, rowBytes)));
  for (let row = 0; row < rows; row += atOnce) {
    const count = Math.min(atOnce, rows - row);
    yield {
      tensor,
      dtype,
      start: start + row * rowBytes,
      byteLength: count * rowBytes,
      values: { offset: offset + row * encoded.data, byteLength: count * encoded.data },
      scales:
        scalesOffset === undefined
          ? null
          : { offset: scalesOffset + row * encoded.scales, byteLength: count * encoded.scales },
    };
  }
}
