/** Checkpoints written by torch.save: a zip of raw storages and one pickle that describes them. */
import { ModelError } from '../errors.ts';
import { isTensor, unpickle, type Pickled, type PickledTensor } from './pickle.ts';
import type { RandomAccess } from './random-access.ts';
import { DTYPE_BYTES, elementCount, tensorFile, type TensorEntry, type TensorFile } from './tensor-file.ts';
import { openStoredZip, type StoredZip } from './stored-zip.ts';

/** A description larger than this is none: OpenVLA-7B's has under 1 MB. */
const MAX_PICKLE_BYTES = 16 * 2 ** 20;
const MAX_DEPTH = 32;
const MAX_VALUES = 1_000_000;
/** Of all tensors' names together: a key used a million times through the memo costs the file next to nothing. */
const MAX_NAME_CHARACTERS = MAX_PICKLE_BYTES;

/**
 * Opens an archive without reading its tensors. Nested dicts give names joined by `/`, as in
 * `model/projector/projector.0.weight`; values that are no tensors are left out.
 *
 * @throws ModelError `bad-file`, or `bad-pickle` when the archive holds more than data.
 */
export async function openTorchArchive(file: RandomAccess): Promise<TensorFile> {
  const zip = await openStoredZip(file);
  const description = zip.names.find((name) => name.endsWith('/data.pkl') || name === 'data.pkl');
  if (!description) {
    throw new ModelError(
      'bad-file',
      'The archive holds no data.pkl.',
      'Only files written by torch.save (since 1.6) are read.',
    );
  }
  const root = description.slice(0, -'data.pkl'.length);
  if (zip.sizeOf(description) > MAX_PICKLE_BYTES) {
    throw new ModelError(
      'bad-file',
      `data.pkl has ${zip.sizeOf(description)} bytes, at most ${MAX_PICKLE_BYTES} are read.`,
    );
  }
  await refuseBigEndian(zip, root);
  const tensors = new Map<string, PickledTensor>();
  collect(
    unpickle(await zip.read(description)),
    '',
    tensors,
    { values: MAX_VALUES, characters: MAX_NAME_CHARACTERS },
    0,
  );

  const entries = new Map<string, TensorEntry>();
  for (const [name, { dtype, shape, storage, storageSize }] of tensors) {
    const record = `${root}data/${storage}`;
    const expected = storageSize * DTYPE_BYTES[dtype];
    if (!zip.has(record) || zip.sizeOf(record) < expected) {
      throw new ModelError(
        'bad-file',
        `"${name}" needs ${expected} bytes of the record ${record}, which is shorter or missing.`,
      );
    }
    entries.set(name, { dtype, shape, byteLength: elementCount(shape) * DTYPE_BYTES[dtype] });
  }
  return tensorFile(entries, (name, offset, length) =>
    readTensor(zip, root, tensors.get(name)!, offset, length),
  );
}

async function refuseBigEndian(zip: StoredZip, root: string): Promise<void> {
  const record = `${root}byteorder`;
  if (!zip.has(record)) return;
  const order = new TextDecoder().decode(await zip.read(record, 0, Math.min(16, zip.sizeOf(record)))).trim();
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
  zip: StoredZip,
  root: string,
  tensor: PickledTensor,
  offset: number,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = DTYPE_BYTES[tensor.dtype];
  const record = `${root}data/${tensor.storage}`;
  if (isContiguous(tensor)) return zip.read(record, tensor.offset * bytes + offset, length);
  const whole = await zip.read(record, 0, tensor.storageSize * bytes);
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
