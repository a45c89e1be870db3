import { ModelError } from '../../base/errors.ts';
import type { WeightSource } from '../network/loaded-weights.ts';
import { storageEncoding, type Bits } from '../network/storage-encoding.ts';
import { decodeFloat32, encodeTensor, encodedByteLength } from '../weights/encoding.ts';
import type { TensorFile } from '../weights/tensor-file.ts';

/** The weights of an open checkpoint, encoded as a package of `bits` would hold them, without writing one. */
export function checkpointSource(tensors: TensorFile, bits: Bits): WeightSource {
  const shapeOf = (name: string) => {
    const entry = tensors.entries.get(name);
    if (!entry) throw new ModelError('missing-tensor', `The checkpoint lacks "${name}".`);
    return entry.shape;
  };
  return {
    names: [...tensors.entries.keys()],
    shapeOf,
    byteLengthOf: (name) => encodedByteLength(shapeOf(name), storageEncoding(name, shapeOf(name), bits)),
    load: async (name) => {
      const shape = shapeOf(name);
      return encodeTensor(name, shape, await tensors.readFloat32(name), storageEncoding(name, shape, bits));
    },
  };
}

/** The same source with every weight decoded to float32: what an encoding stands for, without its arithmetic. */
export function decodedSource(source: WeightSource): WeightSource {
  return {
    ...source,
    load: async (name) => {
      const weight = await source.load(name);
      return encodeTensor(name, weight.shape, decodeFloat32(weight), 'f32');
    },
  };
}
