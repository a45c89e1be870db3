/**
 * State dicts in the format of torch.save: `<name>/data.pkl`, `<name>/byteorder`, `<name>/data/<n>`, `<name>/version`. torch.load reads it,
 * with `weights_only=True` too, and so does torch-archive.ts.
 */
import { pickleStateDict } from './pickle-writer.ts';
import {
  checkValues,
  fileDtype,
  tensorBytes,
  type DtypeChoice,
  type NamedTensors,
} from './safetensors-writer.ts';
import { bytesSource, storedZip, type ByteSource } from './zip-writer.ts';

const STORAGE_TYPES = { F32: 'FloatStorage', BF16: 'BFloat16Storage' } as const;

const text = (value: string): ByteSource => bytesSource(new TextEncoder().encode(value));

/**
 * @param stateDict in the order that `state_dict()` would have
 * @param options.name of the archive's root folder: the file's name without its extension, as torch.save takes it
 * @throws ModelError `bad-shape` where a tensor has not as many values as its shape says
 */
export function torchArchive(
  stateDict: NamedTensors,
  options: { readonly name?: string; readonly dtype?: DtypeChoice } = {},
): ByteSource {
  const { name: root = 'archive', dtype = 'float32' } = options;
  const tensors = [...stateDict].map(([name, tensor], i) => {
    checkValues(name, tensor);
    const fileType = fileDtype(dtype, name);
    return {
      name,
      shape: tensor.shape,
      storageType: STORAGE_TYPES[fileType],
      storage: String(i),
      source: tensorBytes(tensor, fileType),
    };
  });
  return storedZip([
    { name: `${root}/data.pkl`, ...bytesSource(pickleStateDict(tensors)) },
    { name: `${root}/byteorder`, ...text('little') },
    ...tensors.map(({ storage, source }) => ({ name: `${root}/data/${storage}`, ...source })),
    { name: `${root}/version`, ...text('3\n') },
  ]);
}
