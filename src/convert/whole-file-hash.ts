/** Checks files against the hashes that their place gives, while their bytes pass by in order. */
import { createSHA256, type IHasher } from 'hash-wasm';
import type { ByteReader } from '../io/byte-reader.ts';
import { ModelError } from '../base/errors.ts';
import type { Stretch } from './stretches.ts';

/** How far a file was hashed, as text for the journal. */
export interface HashState {
  readonly path: string;
  readonly at: number;
  readonly state: string;
}

/** What nobody needs of a file is fetched for its hash alone up to this size: headers, padding, an archive's directory. */
const MOST_SKIPPED = 16 * 2 ** 20;
const READ_AT_ONCE = 4 * 2 ** 20;

/** Files that pass whole, but for some bytes: the others cannot be checked. */
export function checkableFiles(
  stretches: readonly Stretch[],
  hashes: ReadonlyMap<string, string>,
): Set<ByteReader> {
  const used = new Map<ByteReader, number>();
  const ends = new Map<ByteReader, number>();
  for (const { file, start, end } of stretches) {
    if (!file || !hashes.has(file.name)) continue;
    const from = Math.max(start, ends.get(file) ?? 0);
    used.set(file, (used.get(file) ?? 0) + Math.max(0, end - from));
    ends.set(file, Math.max(end, ends.get(file) ?? 0));
  }
  return new Set(
    [...used].flatMap(([file, bytes]) => (file.byteLength - bytes <= MOST_SKIPPED ? [file] : [])),
  );
}

export class WholeFileHash {
  readonly #file: ByteReader;
  readonly #expected: string;
  readonly #hash: IHasher;
  #at: number;

  private constructor(file: ByteReader, expected: string, hash: IHasher, at: number) {
    this.#file = file;
    this.#expected = expected;
    this.#hash = hash;
    this.#at = at;
  }

  /** @param from where an earlier conversion left off */
  static async start(file: ByteReader, expected: string, from: HashState | null): Promise<WholeFileHash> {
    const hash = await createSHA256();
    hash.init();
    if (from?.path !== file.name) return new WholeFileHash(file, expected, hash, 0);
    hash.load(Uint8Array.from(atob(from.state), (char) => char.charCodeAt(0)));
    return new WholeFileHash(file, expected, hash, from.at);
  }

  /** Bytes of the file from `start`; what lies between them and those before is fetched. */
  async feed(start: number, bytes: Uint8Array): Promise<void> {
    await this.#skipTo(start);
    const known = this.#at - start;
    if (known >= bytes.length) return;
    this.#hash.update(bytes.subarray(known));
    this.#at = start + bytes.length;
  }

  /** @throws ModelError `hash-mismatch` */
  async finish(): Promise<void> {
    await this.#skipTo(this.#file.byteLength);
    const found = this.#hash.digest('hex');
    if (found === this.#expected) return;
    throw new ModelError(
      'hash-mismatch',
      `${this.#file.name} came with other bytes than it has on the Hub: its SHA-256 is ${found.slice(0, 12)}…, expected ${this.#expected.slice(0, 12)}….`,
      'Go on: this file is fetched again. If it happens again, something between you and the Hub alters it.',
    );
  }

  get state(): HashState {
    return { path: this.#file.name, at: this.#at, state: btoa(String.fromCharCode(...this.#hash.save())) };
  }

  async #skipTo(start: number): Promise<void> {
    while (this.#at < start) {
      const end = Math.min(start, this.#at + READ_AT_ONCE);
      this.#hash.update(await this.#file.slice(this.#at, end));
      this.#at = end;
    }
  }
}
