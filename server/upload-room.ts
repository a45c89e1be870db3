import type { AdapterStore } from './adapter-store.ts';
import type { Limits } from './options.ts';
import type { Work } from './upload-body.ts';
import { clientFull, storageFull } from './upload-errors.ts';

/** One client may have this part of the room for unfinished uploads, or one upload of any size. */
const CLIENT_SHARE = 4;
/** When room runs out, an upload that has received nothing for this long is removed. */
const IDLE_MS = 60_000;

/** What an upload that has begun and not ended takes. */
export interface Claim {
  /** Bytes that have come: what is announced and does not come takes no room from others. */
  bytes: number;
  readonly size: number;
  readonly client: string;
  touchedAt: number;
  /** The request that is sending bytes. */
  work: Work | null;
}

type RoomLimits = Pick<
  Limits,
  'unfinishedUploads' | 'clientUploads' | 'storedBytes' | 'clientBytes' | 'unfinishedBytes'
>;

/** The room that unfinished uploads take, and who gives way when there is none. */
export class UploadRoom {
  /** By the id of the upload. */
  readonly claims = new Map<string, Claim>();
  readonly #adapters: AdapterStore;
  readonly #limits: RoomLimits;
  readonly #remove: (id: string) => Promise<void>;

  /** @param remove removes an upload, its claim as well */
  constructor(adapters: AdapterStore, limits: RoomLimits, remove: (id: string) => Promise<void>) {
    this.#adapters = adapters;
    this.#limits = limits;
    this.#remove = remove;
  }

  #unfinished(client?: string): { count: number; bytes: number } {
    const total = { count: 0, bytes: 0 };
    for (const claim of this.claims.values()) {
      if (client !== undefined && claim.client !== client) continue;
      total.count++;
      total.bytes += claim.bytes;
    }
    return total;
  }

  /** @throws HttpError 507 where a client may not begin an upload of so many bytes */
  async toBegin(client: string, size: number): Promise<void> {
    const { unfinishedUploads, clientUploads, storedBytes, clientBytes } = this.#limits;
    const own = this.#unfinished(client);
    if (own.count >= clientUploads)
      throw clientFull(`${clientUploads} uploads from this address are not finished.`);
    if (this.#adapters.bytesOf(client) + own.bytes + size > clientBytes)
      throw clientFull(`This address has brought ${Math.round(clientBytes / 2 ** 20)} MB of adapters.`);
    if (this.#adapters.totalBytes + this.#unfinished().bytes + size > storedBytes) throw storageFull();
    while (this.#unfinished().count >= unfinishedUploads) if (!(await this.giveWay())) throw storageFull();
  }

  /** Keeps strangers from filling the disk, and one of them from taking more than a quarter of the room for uploads. */
  async forBytes(claim: Claim, more: number): Promise<void> {
    const { unfinishedBytes } = this.#limits;
    const own = this.#unfinished(claim.client).bytes;
    if (own > claim.bytes && own + more > unfinishedBytes / CLIENT_SHARE)
      throw clientFull('Other uploads from this address are not finished.');
    while (this.#unfinished().bytes + more > unfinishedBytes)
      if (!(await this.giveWay())) throw storageFull();
  }

  /** Removes an upload of which nothing comes any more, of the client that has most of them; false when there is none. */
  async giveWay(): Promise<boolean> {
    const idle = [...this.claims].filter(
      ([, { work, touchedAt }]) => work === null && Date.now() - touchedAt > IDLE_MS,
    );
    const weight = ({ client }: Claim) => this.#unfinished(client).bytes + this.#unfinished(client).count;
    const [heaviest] = idle.toSorted(([, a], [, b]) => weight(b) - weight(a) || a.touchedAt - b.touchedAt);
    if (heaviest === undefined) return false;
    await this.#remove(heaviest[0]);
    return true;
  }
}
