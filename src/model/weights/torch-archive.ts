/** Checkpoints written by torch.save: a zip of raw storages and one pickle that describes them. */
import type { ByteReader } from '../../io/byte-reader.ts';
import type { Folder } from '../../io/folder.ts';
import { zipFolder } from '../../io/zip-folder.ts';
import { ModelError } from '../../base/errors.ts';
import { isTensor, unpickle, type Pickled, type PickledTensor } from './pickle.ts';
import { DTYPE_BYTES, elementCount, tensorFile, type TensorEntry, type TensorFile } from './tensor-file.ts';

/** A description larger than this is none: OpenVLA-7B's has under 1 MB. */
const MAX_PICKLE_BYTES = 16 * 2 ** 20;
const MAX_DEPTH = 32;
const MAX_VALUES = 1_000_000;
/** Of all tensors' names together: a key used a million times through the memo costs the file next to nothing. */
const MAX_NAME_CHARACTERS = MAX_PICKLE_BYTES;

/**
 * Opens an archive without reading its tensors. Nested dicts give names joined by `/`, as in
 * `model/projector/projector.0.weight`; values that are not tensors are left out.
 *
 * @throws ModelError `bad-file`, or `bad-pickle` when the archive holds more than data.
 */
export async function openTorchArchive(file: ByteReader): Promise<TensorFile> {
  const [first] = await file.slice(0, Math.min(1, file.byteLength));
  if (first === 0x80) {
    throw new ModelError(
      'unsupported',
      `${file.name} is a bare pickle, as torch.save wrote before version 1.6.`,
      'Load it in Python and save it again: torch.save(torch.load(path, map_location="cpu"), path).',
    );
  }
  const zip = await zipFolder(file.name, file, { storedOnly: true });
  const names = (await zip.list()) ?? [];
  const description = names.find((name) => name.endsWith('/data.pkl') || name === 'data.pkl');
  if (description === undefined) {
    throw new ModelError(
      'bad-file',
      'The archive holds no data.pkl.',
      'Only files written by torch.save (since 1.6) are read.',
    );
  }
  const root = description.slice(0, -'data.pkl'.length);
  const pickled = await zip.open(description);
  if (pickled.byteLength > MAX_PICKLE_BYTES) {
    throw new ModelError(
      'bad-file',
      `data.pkl has ${pickled.byteLength} bytes, at most ${MAX_PICKLE_BYTES} are read.`,
    );
  }
  await refuseBigEndian(zip, root);
  const tensors = new Map<string, PickledTensor>();
  collect(
    unpickle(await pickled.slice(0, pickled.byteLength)),
    '',
    tensors,
    { values: MAX_VALUES, characters: MAX_NAME_CHARACTERS },
    0,
  );

  const records = new Map<string, ByteReader>();
  const entries = new Map<string, TensorEntry>();
  for (const [name, { dtype, shape, storage, storageSize }] of tensors) {
    const path = `${root}data/${storage}`;
    const expected = storageSize * DTYPE_BYTES[dtype];
    const record = records.get(path) ?? ((await zip.has(path)) ? await zip.open(path) : null);
    if (!record || record.byteLength < expected) {
      throw new ModelError(
        'bad-file',
        `"${name}" needs ${expected} bytes of the record ${path}, which is shorter or missing.`,
      );
    }
    records.set(path, record);
    entries.set(name, { dtype, shape, byteLength: elementCount(shape) * DTYPE_BYTES[dtype] });
  }
  const recordOf = ({ storage }: PickledTensor) => records.get(`${root}data/${storage}`)!;
  return tensorFile(
    entries,
    (name, offset, length) => {
      const tensor = tensors.get(name)!;
      return readTensor(recordOf(tensor), tensor, offset, length);
    },
    (name) => {
      const tensor = tensors.get(name)!;
      if (!isContiguous(tensor)) return null;
      return { file: recordOf(tensor), start: tensor.offset * DTYPE_BYTES[tensor.dtype] };
    },
  );
}

async function refuseBigEndian(zip: Folder, root: string): Promise<void> {
  const path = `${root}byteorder`;
  if (!(await zip.has(path))) return;
  const record = await zip.open(path);
  const order = new TextDecoder().decode(await record.slice(0, Math.min(16, record.byteLength))).trim();
  if (order !== 'little')
    throw new ModelError(
      'unsupported',
      `The checkpoint was written ${order}-endian; only little-endian is read.`,
    );
}

function collect(
  value: Pickled,
  path: string,
  tensors: Map<string, PickledTensor>,
  budget: { values: number; characters: number },
  depth: number,
): void {
  // A few bytes of memo references can describe billions of values, or a dict that holds itself.
  if (--budget.values < 0 || depth > MAX_DEPTH)
    throw new ModelError('bad-pickle', 'The checkpoint is nested too deeply or too wide.');
  if (value instanceof Map) {
    for (const [key, child] of value)
      collect(child, path ? `${path}/${key}` : key, tensors, budget, depth + 1);
  } else if (isTensor(value)) {
    budget.characters -= path.length;
    if (budget.characters < 0) throw new ModelError('bad-pickle', 'The names of the tensors are too long.');
    tensors.set(path, value);
  }
}

async function readTensor(
  record: ByteReader,
  tensor: PickledTensor,
  offset: number,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = DTYPE_BYTES[tensor.dtype];
  if (isContiguous(tensor)) {
    const start = tensor.offset * bytes + offset;
    return record.slice(start, start + length);
  }
  const whole = await record.slice(0, tensor.storageSize * bytes);
  const first = Math.floor(offset / bytes);
  const gathered = gather(whole, tensor, bytes, first, Math.ceil((offset + length) / bytes));
  return gathered.slice(offset - first * bytes, offset - first * bytes + length);
}

function isContiguous({ shape, stride }: PickledTensor): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && stride[axis] !== expected) return false;
    expected *= shape[axis]!;
  }
  return true;
}

/** Row-major bytes of the elements first…end of a transposed or sliced tensor. */
function gather(
  storage: Uint8Array,
  { shape, stride, offset }: PickledTensor,
  bytes: number,
  first: number,
  end: number,
): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array((end - first) * bytes);
  for (let i = 0; i < end - first; i++) {
    let rest = first + i;
    let at = offset;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += (rest % shape[axis]!) * stride[axis]!;
      rest = Math.floor(rest / shape[axis]!);
    }
    for (let byte = 0; byte < bytes; byte++) out[i * bytes + byte] = storage[at * bytes + byte]!;
  }
  return out;
}
