/** Where everything lies in a package: known before the first weight is read, so that weights can be written in any order. */
import { encodedParts, type Encoding } from '../model/weights/encoding.ts';
import { ALIGNMENT, MAX_SHARD_BYTES, type PackageTensor } from '../model/weights/manifest.ts';
import { elementCount, type TensorFile } from '../model/weights/tensor-file.ts';

export type EncodingOf = (name: string, shape: readonly number[]) => Encoding;

export interface PackageLayout {
  /** In the order of the checkpoint. */
  readonly tensors: readonly PackageTensor[];
  readonly shards: readonly { readonly path: string; readonly byteLength: number }[];
  /** Values of all tensors together. */
  readonly parameters: number;
}

/** @param maxShardBytes smaller shards, for tests */
export function layoutOf(
  entries: TensorFile['entries'],
  encodingOf: EncodingOf,
  maxShardBytes: number = MAX_SHARD_BYTES,
): PackageLayout {
  let end = 0;
  let parameters = 0;
  const place = (byteLength: number): number => {
    const offset = Math.ceil(end / ALIGNMENT) * ALIGNMENT;
    end = offset + byteLength;
    return offset;
  };
  const tensors = [...entries].map(([name, { shape, dtype }]): PackageTensor => {
    const encoding = encodingOf(name, shape);
    const parts = encodedParts(shape, encoding);
    parameters += elementCount(shape);
    const offset = place(parts.data);
    if (parts.scales === 0) return { name, shape, encoding, offset };
    const fewScales = dtype === 'BF16' ? { fewScales: true } : {};
    return { name, shape, encoding, offset, scalesOffset: place(parts.scales), ...fewScales };
  });
  const shards = Array.from({ length: Math.ceil(end / maxShardBytes) }, (_, i) => ({
    path: `shard-${String(i).padStart(4, '0')}.bin`,
    byteLength: Math.min(maxShardBytes, end - i * maxShardBytes),
  }));
  return { tensors, shards, parameters };
}
