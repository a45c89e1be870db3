/** Weights of a base and of a trained state as tensor files, read piece by piece. */
import { loraNames } from '../network/scope.ts';
import type { WeightSource } from '../network/loaded-weights.ts';
import { decodeFloat32, decodeRows, type EncodedTensor } from '../weights/encoding.ts';
import { elementCount, tensorFile, type TensorFile } from '../weights/tensor-file.ts';
import type { HostTensor, TrainedState } from './trained.ts';

/** The base decoded to float32, by rows; one tensor at a time is kept, in its encoding. */
export function baseTensors(source: WeightSource): TensorFile {
  let current: { name: string; weight: Promise<EncodedTensor> } | null = null;
  const load = (name: string): Promise<EncodedTensor> => {
    if (current?.name !== name) current = { name, weight: source.load(name) };
    return current.weight;
  };
  return float32File(
    new Map(source.names.map((name) => [name, source.shapeOf(name)])),
    async (name, first, end) => {
      const weight = await load(name);
      const rowSize = elementCount(weight.shape.slice(1));
      if (weight.shape.length !== 2) return decodeFloat32(weight).slice(first * rowSize, end * rowSize);
      return decodeRows(
        weight,
        Array.from({ length: end - first }, (_, i) => first + i),
      );
    },
  );
}

/** LoRA's factors, as `<module>.lora_A.weight` and `<module>.lora_B.weight`. */
export function adapterTensors(state: TrainedState): TensorFile {
  const tensors = new Map<string, HostTensor>();
  for (const [module, { a, b }] of state.adapters) {
    const names = loraNames(module);
    tensors.set(names.a, a);
    tensors.set(names.b, b);
  }
  return float32File(
    new Map([...tensors].map(([name, { shape }]) => [name, shape])),
    async (name, first, end) => {
      const { shape, data } = tensors.get(name)!;
      const rowSize = elementCount(shape.slice(1));
      return new Float32Array(data.subarray(first * rowSize, end * rowSize));
    },
  );
}

/** @param rows first … end of the first axis, as an array of their own */
function float32File(
  shapes: ReadonlyMap<string, readonly number[]>,
  rows: (name: string, first: number, end: number) => Promise<Float32Array<ArrayBuffer>>,
): TensorFile {
  const entries = new Map(
    [...shapes].map(([name, shape]) => [
      name,
      { dtype: 'F32' as const, shape, byteLength: 4 * elementCount(shape) },
    ]),
  );
  return tensorFile(entries, async (name, offset, length) => {
    if (length === 0) return new Uint8Array();
    const rowBytes = 4 * elementCount(shapes.get(name)!.slice(1));
    const first = Math.floor(offset / rowBytes);
    const values = await rows(name, first, Math.ceil((offset + length) / rowBytes));
    const start = offset - first * rowBytes;
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    return start === 0 && length === bytes.length ? bytes : bytes.slice(start, start + length);
  });
}
