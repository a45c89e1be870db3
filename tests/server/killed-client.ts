import { Random } from '../../src/base/random.ts';
import type { ShareManifest } from '../../src/share/share-manifest.ts';
import { sampleAdapter, sampleManifest, type SampleAdapter } from './samples.ts';
import { beginUpload, offsetOf, sendBytes } from './tus.ts';

export interface Acknowledged {
  readonly id: string;
  readonly manifest: ShareManifest;
}

/** Uploads and publishes one adapter after the other until the server dies; remembers what it was told. */
export class Client {
  readonly acknowledged: Acknowledged[] = [];
  /** Everything that was ever begun. */
  readonly begun: SampleAdapter[] = [];
  onAcknowledged: () => void = () => {};
  readonly #random: Random;
  readonly #seed: number;
  #path: string | null = null;

  constructor(seed: number) {
    this.#seed = seed;
    this.#random = new Random(seed);
  }

  async workUntilKilled(url: string): Promise<void> {
    try {
      for (;;) {
        if (this.#path === null) {
          const seed = 1000 * this.#seed + this.begun.length;
          this.begun.push(sampleAdapter(seed, 200 + this.#random.integer(8000)));
        }
        const adapter = this.begun.at(-1)!;
        await this.#upload(url, adapter);
        await this.#publish(url, adapter);
        this.#path = null;
      }
    } catch (error) {
      // Connections break when the server is killed; what the server says is never an error.
      if (!(error instanceof TypeError)) throw error;
    }
  }

  async #upload(url: string, { bytes, sha256 }: SampleAdapter): Promise<void> {
    const there = await fetch(`${url}/api/adapters/${sha256}`, { method: 'HEAD' });
    if (there.status === 200) return;
    let offset = this.#path === null ? null : await offsetOf(url + this.#path);
    if (offset === null) {
      const { answer, address } = await beginUpload(url, sha256, bytes.length);
      requireStatus(answer, 201);
      this.#path = new URL(address).pathname;
      offset = 0;
    }
    while (offset < bytes.length) {
      const chunk = bytes.subarray(offset, offset + 100_000);
      const answer = await sendBytes(url + this.#path!, offset, chunk);
      requireStatus(answer, 204);
      offset += chunk.length;
    }
  }

  async #publish(url: string, adapter: SampleAdapter): Promise<void> {
    const manifest = sampleManifest(adapter, `Share ${this.begun.length} of ${this.#seed}`);
    const answer = await fetch(`${url}/api/shares`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(manifest),
    });
    requireStatus(answer, 201);
    const { id } = (await answer.json()) as { id: string };
    this.acknowledged.push({ id, manifest });
    this.onAcknowledged();
  }
}

function requireStatus(answer: Response, status: number): void {
  if (answer.status !== status) throw new Error(`${answer.url} answered ${answer.status}, not ${status}.`);
}
