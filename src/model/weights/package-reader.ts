import { sha256Hex } from '../../base/sha256.ts';
import { ModelError } from '../../base/errors.ts';
import { encodedByteLength, encodedParts, type EncodedTensor } from './encoding.ts';
import type { Manifest, PackageTensor } from './manifest.ts';

/** Gives one file of a package, whole and with its hash checked. */
export type ReadFile = (path: string) => Promise<Uint8Array<ArrayBuffer>>;

/** Tensors of a package, read shard by shard: memory holds the tensor asked for and one shard. */
export class PackageReader {
  readonly manifest: Manifest;
  /** In the order they lie in the shards, so that reading them in turn reads each shard once. */
  readonly names: readonly string[];
  readonly #tensors: ReadonlyMap<string, PackageTensor>;
  readonly #readFile: ReadFile;
  #current: { index: number; bytes: Promise<Uint8Array<ArrayBuffer>> } | null = null;

  constructor(manifest: Manifest, readFile: ReadFile) {
    const ordered = manifest.tensors.toSorted((a, b) => a.offset - b.offset);
    this.manifest = manifest;
    this.names = ordered.map(({ name }) => name);
    this.#tensors = new Map(ordered.map((tensor) => [tensor.name, tensor]));
    this.#readFile = readFile;
  }

  byteLengthOf(name: string): number {
    const { shape, encoding } = this.#entry(name);
    return encodedByteLength(shape, encoding);
  }

  shapeOf(name: string): readonly number[] {
    return this.#entry(name).shape;
  }

  async load(name: string): Promise<EncodedTensor> {
    const { shape, encoding, offset, scalesOffset } = this.#entry(name);
    const parts = encodedParts(shape, encoding);
    const data = await this.#read(offset, parts.data);
    if (scalesOffset === undefined) return { name, shape, encoding, data };
    const scales = new Float32Array((await this.#read(scalesOffset, parts.scales)).buffer);
    return { name, shape, encoding, data, scales };
  }

  async tokenizer(): Promise<unknown> {
    const { path } = this.manifest.tokenizer;
    try {
      return JSON.parse(new TextDecoder().decode(await this.#readFile(path))) as unknown;
    } catch (error) {
      if (error instanceof ModelError) throw error;
      throw new ModelError('bad-package', `${path} is no JSON.`, 'Convert the checkpoint again.', {
        cause: error,
      });
    }
  }

  /** Lets go of the shard kept in memory. */
  release(): void {
    this.#current = null;
  }

  #entry(name: string): PackageTensor {
    const entry = this.#tensors.get(name);
    if (!entry)
      throw new ModelError(
        'missing-tensor',
        `The package has no tensor "${name}".`,
        'Convert the checkpoint again.',
      );
    return entry;
  }

  /** Bytes of the shards laid end to end; a large tensor may span several. */
  async #read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const out = new Uint8Array(length);
    let shardStart = 0;
    for (const [index, { byteLength }] of this.manifest.shards.entries()) {
      const from = Math.max(offset, shardStart);
      const to = Math.min(offset + length, shardStart + byteLength);
      if (from < to) {
        const shard = await this.#shard(index);
        out.set(shard.subarray(from - shardStart, to - shardStart), from - offset);
      }
      shardStart += byteLength;
    }
    return out;
  }

  #shard(index: number): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#current?.index !== index) {
      const bytes = this.#readFile(this.manifest.shards[index]!.path);
      this.#current = { index, bytes };
      // A failure is not kept: the next read tries again.
      bytes.catch(() => {
        if (this.#current?.bytes === bytes) this.#current = null;
      });
    }
    return this.#current.bytes;
  }
}

/** @throws ModelError `hash-mismatch` naming the file and both hashes */
export async function checkHash(
  path: string,
  bytes: Uint8Array<ArrayBuffer>,
  expected: string,
): Promise<void> {
  const found = await sha256Hex(bytes);
  if (found === expected) return;
  throw new ModelError(
    'hash-mismatch',
    `${path} is damaged: its SHA-256 is ${found.slice(0, 12)}…, expected ${expected.slice(0, 12)}….`,
    'Fetch the package again. If it stays damaged, the server holds a damaged copy.',
  );
}
