import type { PackageLayout } from './layout.ts';
import type { Span } from './stretches.ts';
import type { PackageTarget, TargetFile } from './target.ts';

/** The shards of a package as one run of bytes, written in any order. */
export class PackageFiles {
  readonly #target: PackageTarget;
  readonly #shards: PackageLayout['shards'];
  readonly #open = new Map<number, Promise<TargetFile>>();
  /** Written to since the last flush. */
  readonly #changed = new Set<number>();
  readonly #shardBytes: number;

  constructor(target: PackageTarget, { shards }: Pick<PackageLayout, 'shards'>) {
    this.#target = target;
    this.#shards = shards;
    this.#shardBytes = shards[0]!.byteLength;
  }

  /** @param offset counts over the shards laid end to end */
  async write(bytes: Uint8Array<ArrayBuffer>, offset: number): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const shard = Math.floor((offset + at) / this.#shardBytes);
      const inShard = offset + at - shard * this.#shardBytes;
      const part = bytes.subarray(at, at + this.#shardBytes - inShard);
      const file = await this.#file(shard);
      await file.write(part, inShard);
      this.#changed.add(shard);
      at += part.length;
    }
  }

  /** Shards that these bytes reach into. */
  shardsOf({ offset, byteLength }: Span): number[] {
    const first = Math.floor(offset / this.#shardBytes);
    const last = Math.floor((offset + byteLength - 1) / this.#shardBytes);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  }

  async flush(): Promise<void> {
    const changed = [...this.#changed];
    this.#changed.clear();
    for (const shard of changed) await (await this.#file(shard)).flush();
  }

  async sha256(shard: number): Promise<string> {
    return (await this.#file(shard)).sha256();
  }

  async close(): Promise<void> {
    const open = await Promise.allSettled(this.#open.values());
    this.#open.clear();
    for (const file of open) if (file.status === 'fulfilled') await file.value.close();
  }

  #file(shard: number): Promise<TargetFile> {
    let file = this.#open.get(shard);
    if (!file) {
      const { path, byteLength } = this.#shards[shard]!;
      file = this.#target.open(path, byteLength);
      this.#open.set(shard, file);
    }
    return file;
  }
}
