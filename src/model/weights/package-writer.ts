import { encodedParts, encodeRows, type Encoding } from './encoding.ts';
import {
  ALIGNMENT,
  FORMAT_VERSION,
  MAX_SHARD_BYTES,
  parseManifest,
  type Manifest,
  type PackageFile,
  type PackageTensor,
} from './manifest.ts';
import { elementCount, type TensorFile } from './tensor-file.ts';

/** Where a package is written; the host hashes as it writes. */
export interface PackageSink {
  create(
    path: string,
  ): Promise<{ write(bytes: Uint8Array): Promise<void>; close(): Promise<{ sha256: string }> }>;
}

export interface PackageDescription {
  readonly name: string;
  readonly description: string;
  readonly source: string;
  readonly config: Readonly<Record<string, unknown>>;
}

export interface WriteOptions {
  readonly encodingOf: (name: string, shape: readonly number[]) => Encoding;
  readonly onProgress?: (done: number, total: number, name: string) => void;
  /** Smaller shards, for tests. */
  readonly maxShardBytes?: number;
}

/** float32 values held at once while a tensor is encoded: rows are read, encoded and written piece by piece. */
const PIECE_VALUES = 4 * 2 ** 20;

/**
 * Writes all tensors of a checkpoint and the tokenizer; the manifest comes last, so that a package without one is
 * an unfinished one. Memory stays at some tens of MB whatever the checkpoint's size.
 */
export async function writePackage(
  tensors: TensorFile,
  tokenizer: Uint8Array<ArrayBuffer>,
  description: PackageDescription,
  sink: PackageSink,
  options: WriteOptions,
): Promise<Manifest> {
  const shards = new ShardWriter(sink, options.maxShardBytes ?? MAX_SHARD_BYTES);
  const placed: PackageTensor[] = [];
  const total = [...tensors.entries.values()].reduce((sum, { shape }) => sum + elementCount(shape), 0);
  let done = 0;
  for (const [name, { shape }] of tensors.entries) {
    const encoding = options.encodingOf(name, shape);
    const rows = shape[0] ?? 1;
    const rowValues = elementCount(shape) / rows;
    const rowsPerPiece = Math.max(1, Math.floor(PIECE_VALUES / rowValues));
    const scales = new Float32Array(encodedParts(shape, encoding).scales / 4);
    const offset = await shards.align(ALIGNMENT);
    let scaleCount = 0;
    for (let row = 0; row < rows; row += rowsPerPiece) {
      const count = Math.min(rowsPerPiece, rows - row);
      const encoded = encodeRows(await tensors.readFloat32(name, row, count), shape.at(-1) ?? 1, encoding);
      await shards.write(encoded.data);
      if (encoded.scales) {
        scales.set(encoded.scales, scaleCount);
        scaleCount += encoded.scales.length;
      }
      done += count * rowValues;
      options.onProgress?.(done, total, name);
    }
    if (scales.length === 0) {
      placed.push({ name, shape, encoding, offset });
      continue;
    }
    const scalesOffset = await shards.align(ALIGNMENT);
    await shards.write(new Uint8Array(scales.buffer));
    placed.push({ name, shape, encoding, offset, scalesOffset });
  }
  const manifest: Manifest = {
    formatVersion: FORMAT_VERSION,
    ...description,
    parameters: total,
    tokenizer: await writeFile(sink, 'tokenizer.json', tokenizer),
    shards: await shards.finish(),
    tensors: placed,
  };
  // What cannot be read must not be written: its readers check the same way.
  const text = JSON.stringify(manifest);
  const checked = parseManifest(text);
  await writeFile(sink, 'manifest.json', new TextEncoder().encode(text));
  return checked;
}

async function writeFile(sink: PackageSink, path: string, bytes: Uint8Array): Promise<PackageFile> {
  const file = await sink.create(path);
  await file.write(bytes);
  return { path, byteLength: bytes.byteLength, ...(await file.close()) };
}

/** Cuts one stream of bytes into shards of at most `limit` bytes. */
class ShardWriter {
  readonly #sink: PackageSink;
  readonly #limit: number;
  readonly #files: PackageFile[] = [];
  #open: { path: string; size: number; file: Awaited<ReturnType<PackageSink['create']>> } | null = null;
  #total = 0;

  constructor(sink: PackageSink, limit: number) {
    this.#sink = sink;
    this.#limit = limit;
  }

  /** Pads with zeros up to the next multiple; returns the offset there. */
  async align(to: number): Promise<number> {
    const gap = (to - (this.#total % to)) % to;
    if (gap > 0) await this.write(new Uint8Array(gap));
    return this.#total;
  }

  async write(bytes: Uint8Array): Promise<void> {
    let at = 0;
    while (at < bytes.length) {
      const shard = (this.#open ??= await this.#next());
      const length = Math.min(bytes.length - at, this.#limit - shard.size);
      await shard.file.write(bytes.subarray(at, at + length));
      shard.size += length;
      at += length;
      this.#total += length;
      if (shard.size === this.#limit) await this.#close();
    }
  }

  async finish(): Promise<PackageFile[]> {
    await this.#close();
    return this.#files;
  }

  async #next() {
    const path = `shard-${String(this.#files.length).padStart(4, '0')}.bin`;
    return { path, size: 0, file: await this.#sink.create(path) };
  }

  async #close(): Promise<void> {
    if (!this.#open) return;
    const { path, size, file } = this.#open;
    this.#files.push({ path, byteLength: size, ...(await file.close()) });
    this.#open = null;
  }
}
