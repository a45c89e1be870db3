/**
 * A pickle reader that runs nothing: tensors, containers, numbers and strings only. Anything else is refused by name.
 *
 * Covers what torch.save writes (protocol 2, and the few opcodes of protocol 4 that newer Pythons use).
 */
import { ModelError } from '../../base/errors.ts';
import type { FileDtype } from './tensor-file.ts';

export interface PickledTensor {
  readonly kind: 'tensor';
  /** Name of the record that holds the storage. */
  readonly storage: string;
  readonly storageSize: number;
  readonly dtype: FileDtype;
  /** In elements, as `shape` and `stride`. */
  readonly offset: number;
  readonly shape: readonly number[];
  readonly stride: readonly number[];
}

export type Pickled = null | boolean | number | string | PickledTensor | Pickled[] | Map<string, Pickled>;

interface Global {
  readonly kind: 'global';
  readonly name: string;
}
interface Storage {
  readonly kind: 'storage';
  readonly key: string;
  readonly dtype: FileDtype;
  readonly size: number;
}
type Item = Pickled | Global | Storage | typeof MARK;

const MARK = Symbol('mark');

const STORAGES: Readonly<Record<string, FileDtype>> = {
  'torch.DoubleStorage': 'F64',
  'torch.FloatStorage': 'F32',
  'torch.HalfStorage': 'F16',
  'torch.BFloat16Storage': 'BF16',
  'torch.LongStorage': 'I64',
  'torch.IntStorage': 'I32',
  'torch.ShortStorage': 'I16',
  'torch.CharStorage': 'I8',
  'torch.ByteStorage': 'U8',
  'torch.BoolStorage': 'BOOL',
};
/** Values that one pickle may make, and characters of a key: some bytes of hostile pickle can ask for billions. */
const MAX_VALUES = 1_000_000;
const MAX_KEY_LENGTH = 1000;

const CALLABLES = new Set([
  'collections.OrderedDict',
  'torch._utils._rebuild_tensor_v2',
  'torch._utils._rebuild_parameter',
]);

/** @throws ModelError `bad-pickle` for anything that is not plain data, or is damaged. */
export function unpickle(bytes: Uint8Array): Pickled {
  return new Machine(bytes).run();
}

function refuse(what: string): ModelError {
  return new ModelError(
    'bad-pickle',
    `The checkpoint's pickle holds ${what}; only tensors, containers, numbers and strings are read.`,
    'Save the state dict alone (torch.save(module.state_dict(), …)), or convert it to safetensors.',
  );
}

function damaged(what: string): ModelError {
  return new ModelError(
    'bad-pickle',
    `The checkpoint's pickle is damaged: ${what}.`,
    'Copy or download the file again.',
  );
}

export const isTensor = (item: unknown): item is PickledTensor =>
  typeof item === 'object' && item !== null && 'kind' in item && item.kind === 'tensor';

class Machine {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;
  #stack: Item[] = [];
  readonly #memo = new Map<number, Item>();
  #pushed = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  run(): Pickled {
    for (;;) {
      const op = this.#take(1)[0]!;
      if (op === 0x2e) return this.#data(this.#pop()); // STOP
      this.#step(op);
    }
  }

  #step(op: number): void {
    switch (op) {
      case 0x80: // PROTO
        this.#take(1);
        return;
      case 0x95: // FRAME
        this.#take(8);
        return;
      case 0x28: // MARK
        return this.#push(MARK);
      case 0x30: // POP
        this.#pop();
        return;
      case 0x4e: // NONE
        return this.#push(null);
      case 0x88: // NEWTRUE
        return this.#push(true);
      case 0x89: // NEWFALSE
        return this.#push(false);
      case 0x4b: // BININT1
        return this.#push(this.#take(1)[0]!);
      case 0x4d: // BININT2
        return this.#push(this.#number(2, (at) => this.#view.getUint16(at, true)));
      case 0x4a: // BININT
        return this.#push(this.#number(4, (at) => this.#view.getInt32(at, true)));
      case 0x8a: // LONG1
        return this.#push(this.#long(this.#take(1)[0]!));
      case 0x47: // BINFLOAT
        return this.#push(this.#number(8, (at) => this.#view.getFloat64(at, false)));
      case 0x58: // BINUNICODE
        return this.#push(this.#text(this.#number(4, (at) => this.#view.getUint32(at, true))));
      case 0x8c: // SHORT_BINUNICODE
        return this.#push(this.#text(this.#take(1)[0]!));
      case 0x7d: // EMPTY_DICT
        return this.#push(new Map<string, Pickled>());
      case 0x5d: // EMPTY_LIST
      case 0x29: // EMPTY_TUPLE
        return this.#push([]);
      case 0x74: // TUPLE
        return this.#push(this.#popToMark());
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        return this.#push(this.#popMany(op - 0x84) as Pickled[]);
      case 0x61: // APPEND
        return this.#append([this.#pop()]);
      case 0x65: // APPENDS
        return this.#append(this.#popToMark());
      case 0x73: // SETITEM
        return this.#setItems(this.#popMany(2));
      case 0x75: // SETITEMS
        return this.#setItems(this.#popToMark());
      case 0x71: // BINPUT
        return this.#remember(this.#take(1)[0]!);
      case 0x72: // LONG_BINPUT
        return this.#remember(this.#number(4, (at) => this.#view.getUint32(at, true)));
      case 0x94: // MEMOIZE
        return this.#remember(this.#memo.size);
      case 0x68: // BINGET
        return this.#recall(this.#take(1)[0]!);
      case 0x6a: // LONG_BINGET
        return this.#recall(this.#number(4, (at) => this.#view.getUint32(at, true)));
      case 0x69: // INST: a call by name; nothing that is allowed is written so.
        throw refuse(`"${this.#line()}.${this.#line()}"`);
      case 0x63: // GLOBAL
        return this.#pushGlobal(`${this.#line()}.${this.#line()}`);
      case 0x93: // STACK_GLOBAL
        return this.#stackGlobal();
      case 0x51: // BINPERSID
        return this.#push(this.#storage(this.#pop()));
      case 0x52: // REDUCE
        return this.#reduce();
      case 0x62: // BUILD
        return this.#build();
      default:
        throw refuse(`the opcode 0x${op.toString(16).padStart(2, '0')} at byte ${this.#at - 1}`);
    }
  }

  #take(length: number): Uint8Array {
    if (!(length >= 0) || this.#at + length > this.#bytes.length) {
      throw damaged(`it ends at byte ${this.#bytes.length}, ${length} more were expected at ${this.#at}`);
    }
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  #number(length: number, read: (at: number) => number): number {
    this.#take(length);
    return read(this.#at - length);
  }

  #long(length: number): number {
    const bytes = this.#take(length);
    let value = 0n;
    bytes.forEach((byte, i) => (value |= BigInt(byte) << BigInt(8 * i)));
    if (length > 0 && bytes[length - 1]! & 0x80) value -= 1n << BigInt(8 * length);
    const number = Number(value);
    if (!Number.isSafeInteger(number)) throw damaged('an integer has more than 53 bits');
    return number;
  }

  #text(length: number): string {
    return new TextDecoder().decode(this.#take(length));
  }

  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0 || end - this.#at > 1000) throw damaged('a name does not end');
    const text = this.#text(end - this.#at);
    this.#take(1);
    return text;
  }

  #push(item: Item): void {
    if (++this.#pushed > MAX_VALUES) throw refuse(`more than ${MAX_VALUES} values`);
    this.#stack.push(item);
  }

  #pop(): Item {
    const item = this.#stack.pop();
    if (item === undefined) throw damaged('its stack is empty');
    return item;
  }

  #popMany(count: number): Item[] {
    if (this.#stack.length < count) throw damaged('its stack is empty');
    return this.#stack.splice(this.#stack.length - count, count);
  }

  #popToMark(): Pickled[] {
    const mark = this.#stack.lastIndexOf(MARK);
    if (mark < 0) throw damaged('a mark is missing');
    const items = this.#stack.splice(mark);
    return items.slice(1) as Pickled[];
  }

  #append(items: Item[]): void {
    const list = this.#stack.at(-1);
    if (!Array.isArray(list)) throw damaged('something is appended to a value that is not a list');
    for (const item of items) list.push(item as Pickled);
  }

  #setItems(items: Item[]): void {
    const map = this.#stack.at(-1);
    if (!(map instanceof Map) || items.length % 2 !== 0)
      throw damaged('an item is set on a value that is not a dict');
    for (let i = 0; i < items.length; i += 2) {
      const key = items[i];
      if (typeof key !== 'string' && typeof key !== 'number')
        throw refuse('a dict key that is neither string nor number');
      if (String(key).length > MAX_KEY_LENGTH) throw refuse(`a dict key of ${String(key).length} characters`);
      map.set(String(key), items[i + 1] as Pickled);
    }
  }

  #remember(index: number): void {
    const item = this.#stack.at(-1);
    if (item === undefined) throw damaged('its stack is empty');
    this.#memo.set(index, item);
  }

  #recall(index: number): void {
    const item = this.#memo.get(index);
    if (item === undefined) throw damaged(`memo ${index} is not set`);
    this.#push(item);
  }

  #stackGlobal(): void {
    const [module, name] = this.#popMany(2);
    if (typeof module !== 'string' || typeof name !== 'string') throw damaged('a name is not a string');
    this.#pushGlobal(`${module}.${name}`);
  }

  #pushGlobal(name: string): void {
    if (!CALLABLES.has(name) && !Object.hasOwn(STORAGES, name)) throw refuse(`"${name}"`);
    this.#push({ kind: 'global', name });
  }

  /** ('storage', StorageClass, key, device, size): a reference to a record of the archive. */
  #storage(id: Item): Storage {
    if (!Array.isArray(id)) throw refuse('a persistent id of another kind');
    const [tag, type, key, , size] = id as Item[];
    const name = (type as Global | undefined)?.name ?? '';
    const dtype = Object.hasOwn(STORAGES, name) ? STORAGES[name] : undefined;
    if (tag !== 'storage' || !dtype || typeof key !== 'string' || !isSize(size))
      throw damaged('a storage reference is wrong');
    return { kind: 'storage', key, dtype, size };
  }

  #reduce(): void {
    const [callable, args] = this.#popMany(2);
    const name = (callable as Global | null)?.kind === 'global' ? (callable as Global).name : 'a call';
    if (!CALLABLES.has(name) || !Array.isArray(args)) throw refuse(`a call of "${name}"`);
    if (name === 'collections.OrderedDict') {
      if (args.length > 0) throw refuse('an OrderedDict made from arguments');
      return this.#push(new Map<string, Pickled>());
    }
    if (name === 'torch._utils._rebuild_parameter') {
      if (!isTensor(args[0] ?? null)) throw damaged('a parameter is not a tensor');
      return this.#push(args[0]!);
    }
    return this.#push(tensorFrom(args));
  }

  /** State set on an OrderedDict (a state dict's `_metadata`): not needed, so dropped. */
  #build(): void {
    this.#pop();
    if (!(this.#stack.at(-1) instanceof Map)) throw refuse('state of an object');
  }

  #data(item: Item): Pickled {
    if (
      item === MARK ||
      (typeof item === 'object' && item !== null && 'kind' in item && item.kind !== 'tensor')
    ) {
      throw damaged('it ends in the middle of something');
    }
    return item;
  }
}

const isSize = (item: Item | undefined): item is number =>
  typeof item === 'number' && Number.isSafeInteger(item) && item >= 0;

/** _rebuild_tensor_v2(storage, offset, shape, stride, …) with every element inside its storage. */
function tensorFrom(args: readonly Item[]): PickledTensor {
  const [storage, offset, shape, stride] = args as [Storage | undefined, Item, Item, Item];
  const sizes = (item: Item): item is number[] =>
    Array.isArray(item) && item.length <= 16 && item.every((dim) => isSize(dim));
  if (
    storage?.kind !== 'storage' ||
    !isSize(offset) ||
    !sizes(shape) ||
    !sizes(stride) ||
    shape.length !== stride.length
  ) {
    throw damaged('a tensor is described wrongly');
  }
  const count = shape.reduce((product, dim) => product * dim, 1);
  const last =
    count === 0 ? 0 : offset + shape.reduce((sum, dim, axis) => sum + (dim - 1) * stride[axis]!, 0) + 1;
  if (last > storage.size || count > storage.size) {
    throw damaged(`a tensor [${shape.join(', ')}] does not fit its storage of ${storage.size} elements`);
  }
  return {
    kind: 'tensor',
    storage: storage.key,
    storageSize: storage.size,
    dtype: storage.dtype,
    offset,
    shape,
    stride,
  };
}
