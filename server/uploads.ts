import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Server } from '@tus/server';
import { ModelError } from '../src/model/errors.ts';
import { checkAdapterFile, type ReadableFile } from '../src/share/adapter-file.ts';
import type { AdapterStore } from './adapter-store.ts';
import type { ClientTags } from './client-tags.ts';
import { HttpError } from './http-error.ts';
import type { KeyedLock } from './keyed-lock.ts';
import type { Limits } from './options.ts';
import { diskFull, UploadFolder } from './upload-folder.ts';

export const UPLOADS_PATH = '/api/adapters/uploads';
/** Ids are ours, 128 random bits; nothing a client sends becomes part of a path. */
export const UPLOAD_ID = /^[0-9a-f]{32}$/;

/** One client may have this part of the room for unfinished uploads, or one upload of any size. */
const CLIENT_SHARE = 4;
/** An upload nobody has sent a byte of for so long gives way when there is no room. */
const IDLE_MS = 60_000;

/** What is still read of a request that was refused: a little more than the page sends in one. */
const DRAIN_BYTES = 20 * 2 ** 20;
const DRAIN_MS = 5_000;

interface Parts {
  readonly adapters: AdapterStore;
  readonly locks: KeyedLock;
  readonly limits: Limits;
  readonly tags: ClientTags;
}

interface UploadFile {
  readonly sha256: string;
  readonly size: number;
  readonly offset: number;
  /** `ClientTags`. */
  readonly client: string;
}

/** What an upload that has begun and not ended takes. */
interface Claim {
  /** Bytes that have come: what is announced and does not come takes no room from others. */
  bytes: number;
  readonly size: number;
  readonly client: string;
  touchedAt: number;
  /** The request that is sending bytes. */
  work: Work | null;
}

/** A request that sends bytes of an upload. */
interface Work {
  readonly stop: AbortController;
  /** When nothing of it is at the file any more. */
  readonly settled: Promise<void>;
  /** Why its bytes are not taken any more. */
  refusal: HttpError | null;
  /** Reads what still comes of its body, so that a client that sends all before it reads gets to read the answer. */
  drain: () => Promise<void>;
}

/** A request that begins an upload. */
interface Beginning {
  readonly client: string;
  readonly work: Work;
  /** Of the upload, once it has one. */
  id: string | null;
}

/**
 * Resumable uploads by the tus protocol (creation, creation-with-upload, expiration, termination). Bytes are collected in a local folder; when
 * all are there, hash and form are checked, and only then do they become an adapter. An upload is its file: its offset is the file's length, so
 * a killed process loses only what had not reached the file, and the client goes on from there.
 */
export class Uploads {
  readonly #folder: string;
  readonly #store: UploadFolder;
  readonly #tus: Server;
  readonly #adapters: AdapterStore;
  readonly #locks: KeyedLock;
  readonly #limits: Limits;
  readonly #tags: ClientTags;
  /** By id. */
  readonly #claims = new Map<string, Claim>();
  readonly #beginning = new WeakMap<Request, Beginning>();
  readonly #reported = new Set<string>();

  private constructor(folder: string, { adapters, locks, limits, tags }: Parts) {
    this.#folder = folder;
    this.#adapters = adapters;
    this.#locks = locks;
    this.#limits = limits;
    this.#tags = tags;
    this.#store = new UploadFolder({
      directory: folder,
      expirationPeriodInMilliseconds: limits.uploadExpiryMs,
    });
    this.#tus = new Server({
      path: UPLOADS_PATH,
      datastore: this.#store,
      maxSize: limits.adapterBytes,
      relativeLocation: true,
      // Writing is for the server's own page.
      allowedOrigins: () => false,
      namingFunction: () => randomBytes(16).toString('hex'),
      onUploadCreate: async (request, upload) => {
        const sha256 = upload.metadata?.['sha256'] ?? '';
        checkAnnouncement(sha256, upload.size);
        const beginning = this.#beginning.get(request)!;
        const { client, work } = beginning;
        await this.#makeRoomToBegin(client, upload.size!);
        beginning.id = upload.id;
        this.#claims.set(upload.id, { bytes: 0, size: upload.size!, client, touchedAt: Date.now(), work });
        return { metadata: { sha256, client } };
      },
      onResponseError: (_request, error) => {
        const refusal = error instanceof HttpError ? error : diskFull(error);
        return refusal ? { status_code: refusal.status, body: JSON.stringify(refusal.body) } : undefined;
      },
    });
  }

  /** Opens the folder and counts what is under way in it. */
  static async open(folder: string, parts: Parts): Promise<Uploads> {
    await mkdir(folder, { recursive: true });
    const uploads = new Uploads(folder, parts);
    for (const id of await uploads.#ids()) {
      const upload = await uploads.#find(id);
      if (upload === null) continue;
      const { size, offset, client } = upload;
      const touchedAt = (await stat(join(folder, id))).mtimeMs;
      uploads.#claims.set(id, { bytes: offset, size, client, touchedAt, work: null });
    }
    return uploads;
  }

  /** Begins an upload of a client, known by its address; bytes may come along. */
  async begin(request: Request, address: string): Promise<Response> {
    return this.#working(async (work) => {
      const beginning: Beginning = { client: this.#tags.tagOf(address), work, id: null };
      const claimOf = () => (beginning.id === null ? undefined : this.#claims.get(beginning.id));
      const counted = this.#counted(request, work, claimOf);
      this.#beginning.set(counted, beginning);
      try {
        const answer = await this.#handle(counted, work);
        await this.#received(beginning.id!, answer);
        return answer;
      } catch (error) {
        // Nobody learns the address that it has.
        if (beginning.id !== null) await this.remove(beginning.id);
        throw error;
      }
    });
  }

  /** Takes bytes of an upload. A request that still sends some gives way: its client has lost the line and is back. */
  async patch(request: Request, id: string): Promise<Response> {
    const claim = await this.#claimForWork(id);
    return this.#working(async (work) => {
      claim.work = work;
      const counted = this.#counted(request, work, () => this.#claims.get(id));
      try {
        const answer = await this.#handle(counted, work);
        await this.#received(id, answer);
        return answer;
      } catch (error) {
        const removed = work.stop.signal.aborted && !this.#claims.has(id);
        const refused = error instanceof HttpError && error.status === 422;
        throw removed && !refused ? uploadNotFound() : error;
      }
    });
  }

  /**
   * Answers how far an upload is. One that has all its bytes but was not finished, because the process was killed or the storage failed,
   * is finished now; so an upload that looks complete to a client is an adapter.
   */
  async head(request: Request, id: string): Promise<Response> {
    const upload = await this.#find(id);
    if (upload === null || upload.offset < upload.size) return this.#handle(request, null);
    await this.#finish(id);
    const headers = {
      'Tus-Resumable': '1.0.0',
      'Upload-Offset': String(upload.size),
      'Upload-Length': String(upload.size),
      'Cache-Control': 'no-store',
    };
    return new Response(null, { status: 200, headers });
  }

  /** Removes an upload and its bytes; when this resolves, none of them is on the disk, though they were still coming. */
  async cancel(id: string): Promise<void> {
    const work = this.#claims.get(id)?.work;
    await this.remove(id);
    await work?.settled;
  }

  /** Removes what has expired. */
  async sweep(): Promise<void> {
    await this.removeEmpty();
    for (const id of await this.#ids()) {
      const found = await stat(join(this.#folder, id)).catch(() => null);
      const touchedAt = found?.mtimeMs ?? this.#claims.get(id)?.touchedAt ?? 0;
      if (Date.now() - touchedAt > this.#limits.uploadExpiryMs) await this.cancel(id);
    }
  }

  /** Removes uploads of which no byte has come for a while. */
  async removeEmpty(): Promise<void> {
    for (const [id, { bytes, touchedAt, work }] of this.#claims)
      if (bytes === 0 && !work && Date.now() - touchedAt > this.#limits.emptyUploadExpiryMs)
        await this.remove(id);
  }

  /** Removes an upload. Bytes that are coming are not waited for: this may be called by the request that brings them. */
  async remove(id: string): Promise<void> {
    const claim = this.#claims.get(id);
    this.#claims.delete(id);
    // The disk keeps the bytes of a file as long as it is open.
    claim?.work?.stop.abort();
    await rm(join(this.#folder, id), { force: true });
    await rm(join(this.#folder, `${id}.json`), { force: true });
  }

  async #working(work: (work: Work) => Promise<Response>): Promise<Response> {
    let settle!: () => void;
    const settled = new Promise<void>((done) => (settle = done));
    const stop = new AbortController();
    const mine: Work = { stop, settled, refusal: null, drain: () => Promise.resolve() };
    try {
      return await work(mine);
    } finally {
      for (const [id, claim] of this.#claims) {
        if (claim.work !== mine) continue;
        const found = await stat(join(this.#folder, id)).catch(() => null);
        claim.bytes = found?.size ?? 0;
        claim.work = null;
      }
      settle();
    }
  }

  async #claimForWork(id: string): Promise<Claim> {
    for (;;) {
      const claim = this.#claims.get(id);
      if (claim === undefined) throw uploadNotFound();
      if (claim.work === null) return claim;
      claim.work.stop.abort();
      await claim.work.settled;
    }
  }

  /** Finishes an upload when its last byte has come. */
  async #received(id: string, answer: Response): Promise<void> {
    const claim = this.#claims.get(id);
    const offset = answer.headers.get('upload-offset');
    if (claim && offset !== null && Number(offset) === claim.size) await this.#finish(id);
  }

  async #handle(request: Request, work: Work | null): Promise<Response> {
    const answer = await this.#tus.handleWeb(request);
    if (answer.status < 400) return answer;
    const text = await answer.text();
    const refusal = work?.refusal ?? tusError(answer.status, text);
    await work?.drain();
    if (refusal.status === 507) await this.#giveWay();
    throw refusal;
  }

  /** The request, whose bytes are counted as they come and refused where there is no room. */
  #counted(request: Request, work: Work, claimOf: () => Claim | undefined): Request {
    const { method, url, headers } = request;
    const take = async (bytes: number) => {
      const claim = claimOf();
      if (!claim) return;
      await this.#makeRoom(claim, bytes);
      claim.bytes += bytes;
      claim.touchedAt = Date.now();
    };
    const body = countedBody(request, work, take);
    return new Request(url, { method, headers, body, duplex: 'half' } as RequestInit);
  }

  /** Ids of the uploads in the folder; what else is there is left alone. */
  async #ids(): Promise<ReadonlySet<string>> {
    const ids = new Set<string>();
    for (const name of await readdir(this.#folder)) {
      const id = name.replace(/\.json$/, '');
      if (UPLOAD_ID.test(id)) ids.add(id);
      else if (!this.#reported.has(name)) {
        this.#reported.add(name);
        console.warn(`The folder of uploads holds ${JSON.stringify(name)}, which is left alone.`);
      }
    }
    return ids;
  }

  #unfinished(client?: string): { count: number; bytes: number } {
    const total = { count: 0, bytes: 0 };
    for (const claim of this.#claims.values()) {
      if (client !== undefined && claim.client !== client) continue;
      total.count++;
      total.bytes += claim.bytes;
    }
    return total;
  }

  async #makeRoomToBegin(client: string, size: number): Promise<void> {
    const { unfinishedUploads, clientUploads, storedBytes, clientBytes } = this.#limits;
    const own = this.#unfinished(client);
    if (own.count >= clientUploads)
      throw clientFull(`${clientUploads} uploads from this address are not finished.`);
    if (this.#adapters.bytesOf(client) + own.bytes + size > clientBytes)
      throw clientFull(`This address has brought ${Math.round(clientBytes / 2 ** 20)} MB of adapters.`);
    if (this.#adapters.totalBytes + this.#unfinished().bytes + size > storedBytes) throw storageFull();
    while (this.#unfinished().count >= unfinishedUploads) if (!(await this.#giveWay())) throw storageFull();
  }

  /** Keeps strangers from filling the disk, and one of them from taking more than a quarter of the room for uploads. */
  async #makeRoom(claim: Claim, more: number): Promise<void> {
    const { unfinishedBytes } = this.#limits;
    const own = this.#unfinished(claim.client).bytes;
    if (own > claim.bytes && own + more > unfinishedBytes / CLIENT_SHARE)
      throw clientFull('Other uploads from this address are not finished.');
    while (this.#unfinished().bytes + more > unfinishedBytes)
      if (!(await this.#giveWay())) throw storageFull();
  }

  /** Removes an upload of which nothing comes any more, of the client that has most of them; false when there is none. */
  async #giveWay(): Promise<boolean> {
    const idle = [...this.#claims].filter(
      ([, { work, touchedAt }]) => work === null && Date.now() - touchedAt > IDLE_MS,
    );
    const weight = ({ client }: Claim) => this.#unfinished(client).bytes + this.#unfinished(client).count;
    const [heaviest] = idle.toSorted(([, a], [, b]) => weight(b) - weight(a) || a.touchedAt - b.touchedAt);
    if (heaviest === undefined) return false;
    await this.remove(heaviest[0]);
    return true;
  }

  async #find(id: string): Promise<UploadFile | null> {
    const upload = await this.#store.getUpload(id).catch(() => null);
    const sha256 = upload?.metadata?.['sha256'];
    if (typeof sha256 !== 'string' || upload?.size === undefined) return null;
    return {
      sha256,
      size: upload.size,
      offset: upload.offset,
      client: upload.metadata?.['client'] ?? '',
    };
  }

  /** Makes an adapter of an upload that has all its bytes, or removes it saying why it is none. Can be called again. */
  async #finish(id: string): Promise<void> {
    const upload = await this.#find(id);
    if (upload === null) throw uploadNotFound();
    const { sha256, size, client } = upload;
    const path = join(this.#folder, id);
    try {
      await this.#locks.run(sha256, async () => {
        // Someone else may have finished it, or sent the same adapter, while this waited. One that is damaged is replaced.
        if (!(await this.#adapters.isIntact(sha256))) {
          if ((await this.#find(id)) === null) throw uploadNotFound();
          await this.#check(id, path, upload);
          await withFile(path, size, (file) => this.#adapters.add(sha256, file, client));
        }
        await this.remove(id);
      });
    } catch (error) {
      if (diskFull(error)) await this.#giveWay();
      throw diskFull(error) ?? error;
    }
  }

  /** What this refuses is removed; after other failures the upload stays, for another try. */
  async #check(id: string, path: string, { sha256, size }: { sha256: string; size: number }): Promise<void> {
    try {
      const found = await hashFile(path);
      if (found !== sha256) {
        throw new ModelError(
          'hash-mismatch',
          `The bytes have the SHA-256 ${found}, not ${sha256} as announced.`,
          'Upload the adapter again.',
        );
      }
      await withFile(path, size, checkAdapterFile);
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      await this.remove(id);
      throw new HttpError(422, error.code, error.message, error.hint);
    }
  }
}

/**
 * The body of a request, which calls `take` before it gives bytes. It is not touched before it is read: a request that is refused by its
 * headers is left to the server, which can go on with its connection.
 */
function countedBody(
  request: Request,
  work: Work,
  take: (bytes: number) => Promise<void>,
): ReadableStream<Uint8Array> {
  const { signal } = work.stop;
  const stopped = new Promise<never>((_, failed) => {
    signal.addEventListener('abort', () => failed(new Error('The upload was stopped.')), { once: true });
  });
  stopped.catch(() => {});
  let reader: ReadableStreamDefaultReader<Uint8Array> | null | undefined;
  const pull = async (controller: ReadableStreamDefaultController<Uint8Array>) => {
    reader ??= request.body?.getReader() ?? null;
    if (reader === null) return controller.close();
    work.drain = () => drain(reader!);
    const { done, value } = await Promise.race([reader.read(), stopped]);
    if (done) return controller.close();
    try {
      await take(value.length);
    } catch (error) {
      work.refusal = error as HttpError;
      throw error;
    }
    controller.enqueue(value);
  };
  return new ReadableStream({ pull }, { highWaterMark: 0 });
}

async function drain(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  const late = new Promise<'late'>((done) => {
    setTimeout(done, DRAIN_MS, 'late').unref();
  });
  for (let bytes = 0; bytes < DRAIN_BYTES;) {
    const next = await Promise.race([reader.read(), late]).catch(() => 'late' as const);
    if (next === 'late' || next.done) return;
    bytes += next.value.length;
  }
}

function checkAnnouncement(sha256: string, size: number | undefined): void {
  if (!/^[0-9a-f]{64}$/.test(sha256))
    throw new HttpError(400, 'bad-input', 'The upload does not name the SHA-256 of the adapter.');
  if (size === undefined || size < 1)
    throw new HttpError(400, 'bad-input', 'The upload does not say how many bytes will come.');
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

async function withFile(
  path: string,
  size: number,
  work: (file: ReadableFile) => Promise<void>,
): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await work({
      size,
      read: async (offset, length) => {
        const { bytesRead, buffer } = await handle.read(new Uint8Array(length), 0, length, offset);
        if (bytesRead !== length) throw new Error(`${path} ended after ${offset + bytesRead} bytes.`);
        return buffer;
      },
    });
  } finally {
    await handle.close();
  }
}

/** What the tus library refuses comes as plain text, what we refuse inside it as JSON. */
function tusError(status: number, text: string): HttpError {
  const known = status as ConstructorParameters<typeof HttpError>[0];
  try {
    const { error } = JSON.parse(text) as HttpError['body'];
    return new HttpError(known, error.code, error.message, error.hint);
  } catch {
    if (status === 413) {
      return new HttpError(
        413,
        'too-large',
        'The adapter is larger than this server takes.',
        'Train with a lower rank, or host the file elsewhere.',
      );
    }
    if (status === 404 || status === 410) return uploadNotFound();
    if (status >= 500) {
      console.error(`upload: ${text}`);
      return new HttpError(known, 'internal', 'The upload could not be written.', 'Try again.');
    }
    return new HttpError(known, 'bad-input', `The upload protocol was not kept: ${text.trim()}.`);
  }
}

function storageFull(): HttpError {
  return new HttpError(
    507,
    'storage-full',
    'This server has no room for another adapter.',
    'Try again later, or share as a file.',
  );
}

function clientFull(what: string): HttpError {
  return new HttpError(
    507,
    'storage-full',
    `${what} There is no room for more of them.`,
    'Wait until they are finished or have expired, or share as a file.',
  );
}

function uploadNotFound(): HttpError {
  return new HttpError(404, 'not-found', 'There is no such upload any more.', 'Begin the upload again.');
}
