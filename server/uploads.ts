import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FileStore } from '@tus/file-store';
import { Server } from '@tus/server';
import { ModelError } from '../src/model/errors.ts';
import { checkAdapterFile, type ReadableFile } from '../src/share/adapter-file.ts';
import type { AdapterStore } from './adapter-store.ts';
import { HttpError } from './http-error.ts';
import type { KeyedLock } from './keyed-lock.ts';
import type { Limits } from './options.ts';

export const UPLOADS_PATH = '/api/adapters/uploads';
/** Ids are ours, 128 random bits; nothing a client sends becomes part of a path. */
export const UPLOAD_ID = /^[0-9a-f]{32}$/;

/** One client may have this part of the room for unfinished uploads, or one upload of any size. */
const CLIENT_SHARE = 4;

interface Parts {
  readonly adapters: AdapterStore;
  readonly locks: KeyedLock;
  readonly limits: Limits;
}

/**
 * Resumable uploads by the tus protocol (creation, expiration, termination). Bytes are collected in a local folder; when all are there,
 * hash and form are checked, and only then do they become an adapter. An upload is its file: its offset is the file's length, so a killed process
 * loses only what had not reached the file, and the client goes on from there.
 */
export class Uploads {
  readonly #folder: string;
  readonly #store: FileStore;
  readonly #tus: Server;
  readonly #adapters: AdapterStore;
  readonly #locks: KeyedLock;
  readonly #limits: Limits;
  /** Announced bytes of each upload that has begun and not ended, and who began it, by id. */
  readonly #claims = new Map<string, { readonly bytes: number; readonly client: string }>();
  readonly #clients = new WeakMap<Request, string>();

  private constructor(folder: string, { adapters, locks, limits }: Parts) {
    this.#folder = folder;
    this.#adapters = adapters;
    this.#locks = locks;
    this.#limits = limits;
    this.#store = new FileStore({
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
        this.#checkClaim(sha256, upload.size);
        const claim = { bytes: upload.size!, client: this.#clients.get(request) ?? '' };
        this.#checkSpace(claim);
        this.#claims.set(upload.id, claim);
        return { metadata: { sha256 } };
      },
      onUploadFinish: async (_request, upload) => {
        await this.#finish(upload.id);
        return {};
      },
      onResponseError: (_request, error) => {
        if (error instanceof HttpError)
          return { status_code: error.status, body: JSON.stringify(error.body) };
        return undefined;
      },
    });
  }

  /** Opens the folder and counts what is under way in it. */
  static async open(folder: string, parts: Parts): Promise<Uploads> {
    await mkdir(folder, { recursive: true });
    const uploads = new Uploads(folder, parts);
    for (const id of (await readdir(folder)).filter((name) => UPLOAD_ID.test(name))) {
      const upload = await uploads.#find(id);
      if (upload !== null) uploads.#claims.set(id, { bytes: upload.size, client: '' });
    }
    return uploads;
  }

  /** Begins an upload of a client, known by its address. */
  begin(request: Request, client: string): Promise<Response> {
    this.#clients.set(request, client);
    return this.handle(request);
  }

  /** Answers a tus request for one of these uploads. */
  async handle(request: Request): Promise<Response> {
    const answer = await this.#tus.handleWeb(request);
    if (answer.status < 400) return answer;
    const text = await answer.text();
    throw tusError(answer.status, text);
  }

  /**
   * Answers how far an upload is. One that has all its bytes but was not finished, because the process was killed or the storage failed,
   * is finished now; so an upload that looks complete to a client is an adapter.
   */
  async head(request: Request, id: string): Promise<Response> {
    const upload = await this.#find(id);
    if (upload === null || upload.offset < upload.size) return this.handle(request);
    await this.#finish(id);
    const headers = {
      'Tus-Resumable': '1.0.0',
      'Upload-Offset': String(upload.size),
      'Upload-Length': String(upload.size),
      'Cache-Control': 'no-store',
    };
    return new Response(null, { status: 200, headers });
  }

  /** Removes an upload and its bytes. */
  async remove(id: string): Promise<void> {
    this.#claims.delete(id);
    await rm(join(this.#folder, id), { force: true });
    await rm(join(this.#folder, `${id}.json`), { force: true });
  }

  /** Removes what has expired. */
  async sweep(): Promise<void> {
    for (const name of await readdir(this.#folder)) {
      const touchedMs = (await stat(join(this.#folder, name)).catch(() => null))?.mtimeMs ?? Date.now();
      if (Date.now() - touchedMs > this.#limits.uploadExpiryMs)
        await this.remove(name.replace(/\.json$/, ''));
    }
  }

  async #find(id: string): Promise<{ sha256: string; size: number; offset: number } | null> {
    const upload = await this.#store.getUpload(id).catch(() => null);
    const sha256 = upload?.metadata?.['sha256'];
    if (typeof sha256 !== 'string' || upload?.size === undefined) return null;
    return { sha256, size: upload.size, offset: upload.offset };
  }

  #checkClaim(sha256: string, size: number | undefined): void {
    if (!/^[0-9a-f]{64}$/.test(sha256))
      throw new HttpError(400, 'bad-input', 'The upload names no SHA-256 of the adapter.');
    if (size === undefined || size < 1)
      throw new HttpError(400, 'bad-input', 'The upload does not say how many bytes will come.');
  }

  /** Keeps strangers from filling the disk, and one of them from taking more than a quarter of the room for uploads. */
  #checkSpace({ bytes, client }: { bytes: number; client: string }): void {
    const { unfinishedBytes, unfinishedUploads, storedBytes } = this.#limits;
    const all = [...this.#claims.values()];
    const own = all.filter((claim) => claim.client === client);
    const sum = (claims: typeof all) => claims.reduce((total, claim) => total + claim.bytes, bytes);
    const fits =
      all.length < unfinishedUploads &&
      own.length < unfinishedUploads / CLIENT_SHARE &&
      sum(all) <= unfinishedBytes &&
      (own.length === 0 || sum(own) <= unfinishedBytes / CLIENT_SHARE) &&
      this.#adapters.totalBytes + sum(all) <= storedBytes;
    if (fits) return;
    throw new HttpError(
      507,
      'storage-full',
      'This server has no room for another adapter.',
      'Try again later, or share as a file.',
    );
  }

  /** Makes an adapter of an upload that has all its bytes, or removes it saying why it is none. Can be called again. */
  async #finish(id: string): Promise<void> {
    const upload = await this.#find(id);
    if (upload === null) throw uploadNotFound();
    const { sha256, size } = upload;
    const path = join(this.#folder, id);
    await this.#locks.run(sha256, async () => {
      // Someone else may have finished it, or sent the same adapter, while this waited.
      if ((await this.#adapters.find(sha256)) === null) {
        if ((await this.#find(id)) === null) throw uploadNotFound();
        await this.#check(id, path, upload);
        await withFile(path, size, (file) => this.#adapters.add(sha256, file));
      }
      await this.remove(id);
    });
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

function uploadNotFound(): HttpError {
  return new HttpError(404, 'not-found', 'There is no such upload any more.', 'Begin the upload again.');
}
