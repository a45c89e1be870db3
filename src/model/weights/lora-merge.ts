/** Merging of LoRA adapters into the weights they adapt: W + scaling · B · A. */
import { ModelError } from '../errors.ts';
import { elementCount, tensorFile, type TensorEntry, type TensorFile } from './tensor-file.ts';

/** Where the adapter's parts of a weight are; A is [r, in] or [r, in, kh, kw], B [out, r] or [out, r, 1, 1]. */
export interface LoraPair {
  readonly a: string;
  readonly b: string;
}

/**
 * A lazy view of `base` with an adapter merged in; each tensor is computed when it is read.
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
  let cached: { name: string; bytes: Uint8Array<ArrayBuffer> } | null = null;
  return tensorFile(entries, async (name, offset, length) => {
    const pair = pairs.get(name);
    if (!pair) return base.readRaw(name, offset, length);
    // Rows are asked for one range after another: keep the tensor that is being read.
    if (cached?.name !== name) cached = { name, bytes: await merged(base, adapter, name, pair, scaling) };
    return cached.bytes.slice(offset, offset + length);
  });
}

async function merged(
  base: TensorFile,
  adapter: TensorFile,
  name: string,
  pair: LoraPair,
  scaling: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const weight = await base.readFloat32(name);
  const a = await adapter.readFloat32(pair.a);
  const b = await adapter.readFloat32(pair.b);
  const out = base.entries.get(name)!.shape[0]!;
  const inputs = weight.length / out;
  const rank = a.length / inputs;
  if (!Number.isInteger(rank) || b.length !== out * rank) {
    throw new ModelError(
      'bad-shape',
      `The adapter of "${name}" has ${a.length} and ${b.length} values; they do not fit ${out} × ${inputs}.`,
    );
  }
  for (let row = 0; row < out; row++) {
    for (let r = 0; r < rank; r++) {
      const factor = scaling * b[row * rank + r]!;
      if (factor === 0) continue;
      for (let i = 0; i < inputs; i++) weight[row * inputs + i]! += factor * a[r * inputs + i]!;
    }
  }
  return new Uint8Array(weight.buffer);
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
