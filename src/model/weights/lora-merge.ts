/** Merging of LoRA adapters into the weights they adapt: W + scaling · B · A. */
import { ModelError } from '../../base/errors.ts';
import { elementCount, tensorFile, type TensorEntry, type TensorFile } from './tensor-file.ts';

/** Where the adapter's parts of a weight are; A is [r, in] or [r, in, kh, kw], B [out, r] or [out, r, 1, 1]. */
export interface LoraPair {
  readonly a: string;
  readonly b: string;
}

/**
 * A lazy view of `base` with an adapter merged in; rows are computed when they are read.
 *
 * @param pairs by the base tensor's name, from `peftPairs` or the like
 * @throws ModelError `bad-shape` where the adapter does not fit
 */
export function mergeLora(
  base: TensorFile,
  adapter: TensorFile,
  pairs: ReadonlyMap<string, LoraPair>,
  scaling: number,
): TensorFile {
  const entries = new Map<string, TensorEntry>(base.entries);
  for (const name of pairs.keys()) {
    const entry = base.entries.get(name);
    if (!entry)
      throw new ModelError(
        'missing-tensor',
        `The adapter adapts "${name}", which the checkpoint does not have.`,
      );
    entries.set(name, { ...entry, dtype: 'F32', byteLength: 4 * elementCount(entry.shape) });
  }
  const placeOf = (name: string) => (pairs.has(name) ? null : base.placeOf(name));
  const read = async (name: string, offset: number, length: number) => {
    const pair = pairs.get(name);
    if (!pair) return base.readRaw(name, offset, length);
    // Only the rows that the bytes lie in are computed, so that a large tensor is never whole in memory.
    const { shape } = base.entries.get(name)!;
    const rowBytes = 4 * elementCount(shape.slice(1));
    const firstRow = Math.floor(offset / rowBytes);
    const endRow = Math.ceil((offset + length) / rowBytes);
    const rows = await mergedRows(base, adapter, { name, pair, scaling, firstRow, endRow });
    const start = offset - firstRow * rowBytes;
    return new Uint8Array(rows.buffer).slice(start, start + length);
  };
  return tensorFile(entries, read, placeOf);
}

/**
 * The weights as they were before `mergeLora` put this adapter in, to float32's rounding.
 * @throws as `mergeLora`
 */
export function unmergeLora(
  merged: TensorFile,
  adapter: TensorFile,
  pairs: ReadonlyMap<string, LoraPair>,
  scaling: number,
): TensorFile {
  return mergeLora(merged, adapter, pairs, -scaling);
}

async function mergedRows(
  base: TensorFile,
  adapter: TensorFile,
  of: { name: string; pair: LoraPair; scaling: number; firstRow: number; endRow: number },
): Promise<Float32Array<ArrayBuffer>> {
  const { name, pair, scaling, firstRow, endRow } = of;
  const { shape } = base.entries.get(name)!;
  const inputs = elementCount(shape.slice(1));
  const a = adapter.entries.get(pair.a)?.shape ?? [];
  const b = adapter.entries.get(pair.b)?.shape ?? [];
  const rank = a[0] ?? 0;
  const outputs = shape[0] ?? 0;
  if (b[0] !== outputs || elementCount(a) !== rank * inputs || elementCount(b) !== outputs * rank) {
    throw new ModelError(
      'bad-shape',
      `The adapter of "${name}" is [${a.join(', ')}] and [${b.join(', ')}]; the weight is [${shape.join(', ')}].`,
      'The adapter belongs to another checkpoint.',
    );
  }
  const weight = await base.readFloat32(name, firstRow, endRow - firstRow);
  const down = await adapter.readFloat32(pair.a);
  const up = await adapter.readFloat32(pair.b, firstRow, endRow - firstRow);
  for (let row = 0; row < endRow - firstRow; row++) {
    for (let r = 0; r < rank; r++) {
      const factor = scaling * up[row * rank + r]!;
      if (factor === 0) continue;
      for (let i = 0; i < inputs; i++) weight[row * inputs + i]! += factor * down[r * inputs + i]!;
    }
  }
  return weight;
}

/** Pairs of a PEFT adapter_model.safetensors: `base_model.model.<module>.lora_A.weight`. */
export function peftPairs(adapter: TensorFile): Map<string, LoraPair> {
  const pairs = new Map<string, LoraPair>();
  for (const a of adapter.entries.keys()) {
    const module = /^base_model\.model\.(.+)\.lora_A\.weight$/.exec(a)?.[1];
    if (!module) continue;
    const b = a.replace('.lora_A.', '.lora_B.');
    if (!adapter.entries.has(b))
      throw new ModelError('missing-tensor', `The adapter has "${a}" but not "${b}".`);
    pairs.set(`${module}.weight`, { a, b });
  }
  return pairs;
}
