import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Server } from '@tus/server';
import { ModelError } from '../src/base/errors.ts';
import { checkAdapterFile } from '../src/share/adapter-file.ts';
import type { AdapterStore } from './adapter-store.ts';
import type { ClientTags } from './client-tags.ts';
import { HttpError } from './http-error.ts';
import type { KeyedLock } from './keyed-lock.ts';
import type { Limits } from './options.ts';
import { countedBody, type Work } from './upload-body.ts';
import { checkAnnouncement, tusError, uploadNotFound } from './upload-errors.ts';
import { hashFile, withFile } from './upload-file.ts';
import { diskFull, UploadFolder } from './upload-folder.ts';
import { UploadRoom, type Claim } from './upload-room.ts';

export const UPLOADS_PATH = '/api/adapters/uploads';
/** Ids are ours, 128 random bits; nothing a client sends becomes part of a path. */
export const UPLOAD_ID = /^[0-9a-f]{32}$/;

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
  readonly #room: UploadRoom;
  readonly #beginning = new WeakMap<Request, Beginning>();
  readonly #reported = new Set<string>();

  private constructor(folder: string, { adapters, locks, limits, tags }: Parts) {
    this.#folder = folder;
    this.#adapters = adapters;
    this.#locks = locks;
    this.#limits = limits;
    this.#tags = tags;
    this.#room = new UploadRoom(adapters, limits, (id) => this.remove(id));
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
        await this.#room.toBegin(client, upload.size!);
        beginning.id = upload.id;
        this.#room.claims.set(upload.id, {
          bytes: 0,
          size: upload.size!,
          client,
          touchedAt: Date.now(),
          work,
        });
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
      uploads.#room.claims.set(id, { bytes: offset, size, client, touchedAt, work: null });
    }
    return uploads;
  }

  /** Begins an upload of a client, known by its address; bytes may come along. */
  async begin(request: Request, address: string): Promise<Response> {
    return this.#working(async (work) => {
      const beginning: Beginning = { client: this.#tags.tagOf(address), work, id: null };
      const claimOf = () => (beginning.id === null ? undefined : this.#room.claims.get(beginning.id));
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
      const counted = this.#counted(request, work, () => this.#room.claims.get(id));
      try {
        const answer = await this.#handle(counted, work);
        await this.#received(id, answer);
        return answer;
      } catch (error) {
        const removed = work.stop.signal.aborted && !this.#room.claims.has(id);
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
    const work = this.#room.claims.get(id)?.work;
    await this.remove(id);
    await work?.settled;
  }

  /** Removes what has expired. */
  async sweep(): Promise<void> {
    await this.removeEmpty();
    for (const id of await this.#ids()) {
      const found = await stat(join(this.#folder, id)).catch(() => null);
      const touchedAt = found?.mtimeMs ?? this.#room.claims.get(id)?.touchedAt ?? 0;
      if (Date.now() - touchedAt > this.#limits.uploadExpiryMs) await this.cancel(id);
    }
  }

  /** Removes uploads of which no byte has come for a while. */
  async removeEmpty(): Promise<void> {
    for (const [id, { bytes, touchedAt, work }] of this.#room.claims)
      if (bytes === 0 && !work && Date.now() - touchedAt > this.#limits.emptyUploadExpiryMs)
        await this.remove(id);
  }

  /** Removes an upload. Bytes that are coming are not waited for: this may be called by the request that brings them. */
  async remove(id: string): Promise<void> {
    const claim = this.#room.claims.get(id);
    this.#room.claims.delete(id);
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
      for (const [id, claim] of this.#room.claims) {
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
      const claim = this.#room.claims.get(id);
      if (claim === undefined) throw uploadNotFound();
      if (claim.work === null) return claim;
      claim.work.stop.abort();
      await claim.work.settled;
    }
  }

  /** Finishes an upload when its last byte has come. */
  async #received(id: string, answer: Response): Promise<void> {
    const claim = this.#room.claims.get(id);
    const offset = answer.headers.get('upload-offset');
    if (claim && offset !== null && Number(offset) === claim.size) await this.#finish(id);
  }

  async #handle(request: Request, work: Work | null): Promise<Response> {
    const answer = await this.#tus.handleWeb(request);
    if (answer.status < 400) return answer;
    const text = await answer.text();
    const refusal = work?.refusal ?? tusError(answer.status, text);
    await work?.drain();
    if (refusal.status === 507) await this.#room.giveWay();
    throw refusal;
  }

  /** The request, whose bytes are counted as they come and refused where there is no room. */
  #counted(request: Request, work: Work, claimOf: () => Claim | undefined): Request {
    const { method, url, headers } = request;
    const take = async (bytes: number) => {
      const claim = claimOf();
      if (!claim) return;
      await this.#room.forBytes(claim, bytes);
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
        const there = (await this.#adapters.isIntact(sha256)) && (await this.#adapters.keep(sha256, true));
        if (!there) {
          if ((await this.#find(id)) === null) throw uploadNotFound();
          await this.#check(id, path, upload);
          await withFile(path, size, (file) => this.#adapters.add(sha256, file, client));
        }
        await this.remove(id);
      });
    } catch (error) {
      if (diskFull(error)) await this.#room.giveWay();
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
