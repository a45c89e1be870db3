/** Pickles a state dict as torch.save does: protocol 2, an OrderedDict of `torch._utils._rebuild_tensor_v2` calls. */

/** A dense row-major tensor whose storage is the archive's record `data/<storage>`. */
export interface PickleTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** As `FloatStorage`. */
  readonly storageType: string;
  readonly storage: string;
}

/**
 * Names that are used by every tensor are put into the pickle's memo once, as Python's pickler does. The `_metadata` of module versions is left out:
 * `load_state_dict` does without.
 */
export function pickleStateDict(tensors: readonly PickleTensor[]): Uint8Array<ArrayBuffer> {
  const out = new Pickle();
  out.byte(0x80).byte(2); // PROTO
  out.global('collections', 'OrderedDict').text(')R'); // EMPTY_TUPLE, REDUCE
  out.text('('); // MARK
  for (const { name, shape, storageType, storage } of tensors) {
    out.string(name);
    out.global('torch._utils', '_rebuild_tensor_v2').text('(');
    out.text('(').shared('storage').global('torch', storageType).string(storage).shared('cpu');
    out.integer(elements(shape)).text('tQ'); // TUPLE, BINPERSID
    out.integer(0).tuple(shape).tuple(rowMajorStrides(shape));
    out.byte(0x89); // NEWFALSE: requires_grad
    out.global('collections', 'OrderedDict').text(')R'); // no hooks
    out.text('tR');
  }
  out.text('u.'); // SETITEMS, STOP
  return out.bytes();
}

const elements = (shape: readonly number[]): number => shape.reduce((product, dim) => product * dim, 1);

/** In elements; an empty axis counts as one of length 1, as in torch. */
function rowMajorStrides(shape: readonly number[]): number[] {
  const strides: number[] = [];
  let stride = 1;
  for (const dim of shape.toReversed()) {
    strides.unshift(stride);
    stride *= Math.max(dim, 1);
  }
  return strides;
}

class Pickle {
  #bytes = new Uint8Array(4096);
  #length = 0;
  readonly #memo = new Map<string, number>();

  byte(value: number): this {
    return this.#push(Uint8Array.of(value));
  }

  /** Opcodes that are ASCII characters. */
  text(opcodes: string): this {
    return this.#push(new TextEncoder().encode(opcodes));
  }

  string(value: string): this {
    const text = new TextEncoder().encode(value);
    return this.text('X').#uint32(text.length).#push(text);
  }

  /** A string that is used often. */
  shared(value: string): this {
    return this.#memoised(`text ${value}`, () => this.string(value));
  }

  global(module: string, name: string): this {
    return this.#memoised(`global ${module}.${name}`, () => this.text(`c${module}\n${name}\n`));
  }

  integer(value: number): this {
    if (value < 256) return this.text('K').byte(value);
    if (value < 65_536)
      return this.text('M')
        .byte(value & 255)
        .byte(value >>> 8);
    if (value < 2 ** 31) return this.text('J').#uint32(value);
    // LONG1 in eight bytes: a storage of more than 2³¹ elements.
    this.byte(0x8a).byte(8);
    return this.#push(new Uint8Array(BigUint64Array.of(BigInt(value)).buffer));
  }

  tuple(values: readonly number[]): this {
    if (values.length === 0) return this.text(')');
    this.text('(');
    for (const value of values) this.integer(value);
    return this.text('t');
  }

  bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  #memoised(key: string, write: () => void): this {
    const known = this.#memo.get(key);
    if (known !== undefined) return this.text('h').byte(known); // BINGET
    write();
    this.#memo.set(key, this.#memo.size);
    return this.text('q').byte(this.#memo.size - 1); // BINPUT
  }

  #uint32(value: number): this {
    return this.#push(new Uint8Array(Uint32Array.of(value).buffer));
  }

  #push(bytes: Uint8Array): this {
    while (this.#length + bytes.length > this.#bytes.length) {
      const larger = new Uint8Array(2 * this.#bytes.length);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }
}
