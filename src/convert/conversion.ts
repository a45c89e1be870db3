import type { ByteReader } from '../io/byte-reader.ts';
import { ModelError } from '../base/errors.ts';
import { ownThread, type Encoders } from './encoders.ts';
import type { PackageFiles } from './package-files.ts';
import type { ConversionPlan } from './plan.ts';
import type { RunOptions } from './run-conversion.ts';
import type { Stretch } from './stretches.ts';
import { checkableFiles, WholeFileHash, type HashState } from './whole-file-hash.ts';

const KEEP_BYTES = 64 * 2 ** 20;

/** The weights of one conversion on their way: stretches are read ahead, hashed in order, encoded side by side, and written. */
export class Conversion {
  readonly #plan: ConversionPlan;
  readonly #files: PackageFiles;
  readonly #options: RunOptions;
  readonly #encoders: Encoders;
  readonly #fileHashes: FileHashes;
  readonly #shardHashes: ShardHashes;
  /** All before this one are written. */
  #next = 0;
  /** Those after it that are, with what its file's hash is behind them. */
  readonly #written = new Map<number, HashState | null>();
  #state: HashState | null = null;
  #kept = 0;
  readonly #bytes = { done: 0, kept: 0, waiting: 0 };
  /** Flushes, and what is written down, one after the other. */
  #keeping: Promise<void> = Promise.resolve();
  #failure: { readonly error: unknown } | null = null;

  constructor(plan: ConversionPlan, files: PackageFiles, options: RunOptions) {
    this.#plan = plan;
    this.#files = files;
    this.#options = options;
    this.#encoders = options.encoders ?? ownThread;
    this.#fileHashes = new FileHashes(plan);
    this.#shardHashes = new ShardHashes(plan, files);
  }

  /** @returns SHA-256 of each shard */
  async run(): Promise<string[]> {
    await this.#resume();
    const { stretches } = this.#plan;
    const most = 2 * this.#encoders.width + 2;
    const under = new Set<Promise<void>>();
    for (let i = this.#next; i < stretches.length && this.#goesOn(); i++) {
      const task = this.#convert(i).catch((error: unknown) => {
        this.#failure ??= { error };
      });
      under.add(task);
      void task.then(() => under.delete(task));
      // None runs far ahead of one that is slow: what is ahead is not kept if the page is closed.
      while (under.size >= most || (under.size > 0 && i + 1 - this.#next >= 2 * most))
        await Promise.race(under);
    }
    await Promise.all(under);
    if (this.#failure) {
      // What is converted so far is kept; that this may fail as well tells nothing new.
      await this.#keep(this.#fileHashes.failed).catch(() => undefined);
      throw this.#failure.error;
    }
    await this.#keep(null);
    return this.#shardHashes.all();
  }

  async #resume(): Promise<void> {
    const kept = await this.#options.journal?.read();
    const { stretches } = this.#plan;
    if (!kept || kept.stretches > stretches.length) return;
    this.#next = this.#kept = kept.stretches;
    this.#state = kept.hash;
    this.#fileHashes.resume(kept.hash);
    for (const { start, end } of stretches.slice(0, kept.stretches)) this.#bytes.kept += end - start;
    this.#bytes.done = this.#bytes.kept;
    this.#shardHashes.writtenTo(this.#next);
    this.#report(stretches[Math.max(0, this.#next - 1)]!);
  }

  #goesOn(): boolean {
    if (this.#options.signal?.aborted)
      this.#failure ??= {
        error: new ModelError(
          'cancelled',
          'The conversion was stopped.',
          'What is converted stays; go on at any time.',
        ),
      };
    return this.#failure === null;
  }

  async #convert(index: number): Promise<void> {
    const stretch = this.#plan.stretches[index]!;
    const reading = this.#read(stretch);
    const state = await this.#fileHashes.pass(index, reading);
    const bytes = await reading;
    if (!this.#goesOn()) return;
    const parts = await this.#encoders.encode({
      bytes: bytes.buffer,
      parts: stretch.pieces.map(({ tensor, dtype, start, byteLength }) => {
        const { name, encoding, shape } = tensor;
        return { name, dtype, encoding, columns: shape.at(-1) ?? 1, start, byteLength };
      }),
    });
    for (const [i, { data, scales }] of parts.entries()) {
      const piece = stretch.pieces[i]!;
      await this.#files.write(data, piece.values.offset);
      if (scales)
        await this.#files.write(
          new Uint8Array(scales.buffer, scales.byteOffset, scales.byteLength),
          piece.scales!.offset,
        );
    }
    await this.#finished(index, state);
  }

  /** In a buffer of its own, which can be moved. */
  async #read({ file, start, end, pieces }: Stretch): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = file
      ? await file.slice(start, end)
      : await this.#plan.checkpoint.tensors.readRaw(pieces[0]!.tensor.name, start, end - start);
    return bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
  }

  async #finished(index: number, state: HashState | null): Promise<void> {
    const { stretches } = this.#plan;
    const { start, end } = stretches[index]!;
    this.#written.set(index, state);
    this.#bytes.done += end - start;
    this.#bytes.waiting += end - start;
    let endsFile = false;
    for (let known; (known = this.#written.get(this.#next)) !== undefined; this.#next++) {
      this.#written.delete(this.#next);
      this.#state = known;
      endsFile ||= stretches[this.#next]!.file !== stretches[this.#next + 1]?.file;
    }
    this.#report(stretches[index]!);
    if (endsFile || this.#bytes.waiting >= (this.#options.keepBytes ?? KEEP_BYTES)) await this.#keep(null);
    this.#shardHashes.writtenTo(this.#next);
  }

  /** @param from goes back to that stretch, whose file turned out to be wrong */
  async #keep(from: number | null): Promise<void> {
    const { journal } = this.#options;
    if (!journal) return;
    this.#bytes.waiting = 0;
    this.#keeping = this.#keeping.then(async () => {
      const progress =
        from === null ? { stretches: this.#next, hash: this.#state } : { stretches: from, hash: null };
      if (from === null && progress.stretches === this.#kept) return;
      await this.#files.flush();
      await journal.keep(progress);
      for (const { start, end } of this.#plan.stretches.slice(this.#kept, progress.stretches))
        this.#bytes.kept += end - start;
      this.#kept = progress.stretches;
      this.#report(this.#plan.stretches[Math.max(0, this.#kept - 1)]!);
    });
    await this.#keeping;
  }

  #report({ pieces }: Stretch): void {
    const { done, kept } = this.#bytes;
    this.#options.onProgress?.({
      done,
      total: this.#plan.sourceBytes,
      kept,
      name: pieces.at(-1)!.tensor.name,
    });
  }
}

/** Compares files with their hashes while they pass: their stretches take turns, in order. */
class FileHashes {
  readonly #plan: ConversionPlan;
  readonly #checked: ReadonlySet<ByteReader>;
  #turn: Promise<HashState | null> = Promise.resolve(null);
  #current: { readonly file: ByteReader; readonly hash: WholeFileHash } | null = null;
  #from: HashState | null = null;
  /** First stretch of the file that had another hash. */
  failed: number | null = null;

  constructor(plan: ConversionPlan) {
    this.#plan = plan;
    this.#checked = checkableFiles(plan.stretches, plan.hashes);
  }

  resume(from: HashState | null): void {
    this.#from = from;
  }

  /**
   * A stretch's bytes go by.
   * @returns how far its file was hashed behind them; null for one that cannot be checked
   */
  pass(index: number, reading: Promise<Uint8Array>): Promise<HashState | null> {
    const { file, start } = this.#plan.stretches[index]!;
    // What failed to be read is not to be hashed around.
    const turn = Promise.all([this.#turn, reading]).then(async ([, bytes]) => {
      if (!file || !this.#checked.has(file)) return null;
      const hash = await this.#hashOf(file);
      await hash.feed(start, bytes);
      if (this.#plan.stretches[index + 1]?.file === file) return hash.state;
      try {
        await hash.finish();
      } catch (error) {
        this.failed = this.#plan.stretches.findIndex((stretch) => stretch.file === file);
        throw error;
      }
      return null;
    });
    this.#turn = turn;
    return turn;
  }

  async #hashOf(file: ByteReader): Promise<WholeFileHash> {
    if (this.#current?.file !== file) {
      const hash = await WholeFileHash.start(file, this.#plan.hashes.get(file.name)!, this.#from);
      this.#from = null;
      this.#current = { file, hash };
    }
    return this.#current.hash;
  }
}

/** Hashes shards as soon as nothing more is written into them, one after the other. */
class ShardHashes {
  readonly #files: PackageFiles;
  /** By shard: the last stretch that writes into it. */
  readonly #lastOf: number[];
  readonly #hashes: (Promise<string> | undefined)[];
  #turn: Promise<unknown> = Promise.resolve();

  constructor({ stretches, layout }: ConversionPlan, files: PackageFiles) {
    this.#files = files;
    this.#lastOf = layout.shards.map(() => 0);
    this.#hashes = layout.shards.map(() => undefined);
    for (const [index, { pieces }] of stretches.entries()) {
      for (const { values, scales } of pieces) {
        for (const span of scales ? [values, scales] : [values])
          for (const shard of files.shardsOf(span)) this.#lastOf[shard] = index;
      }
    }
  }

  /** Stretches before this one are written. */
  writtenTo(next: number): void {
    for (const [shard, last] of this.#lastOf.entries()) {
      if (last >= next || this.#hashes[shard]) continue;
      const hash = this.#turn.then(() => this.#files.sha256(shard));
      // The error reaches whoever awaits all of them.
      hash.catch(() => undefined);
      this.#turn = hash.catch(() => undefined);
      this.#hashes[shard] = hash;
    }
  }

  all(): Promise<string[]> {
    return Promise.all(this.#hashes.map((hash) => hash!));
  }
}
