import { createHash, randomBytes } from 'node:crypto';
import * as v from 'valibot';
import type { Storage } from 'unstorage';
import { ModelError } from '../src/base/errors.ts';
import { checkAdapterFile, type ReadableFile } from '../src/share/adapter-file.ts';
import { blockHashes, newGeneration, partKey, type AdapterStore } from './adapter-store.ts';
import type { ClientTags } from './client-tags.ts';
import { HttpError } from './http-error.ts';
import type { KeyedLock } from './keyed-lock.ts';
import type { Limits } from './options.ts';
import type { S3Multipart, StoredPart } from './s3-multipart.ts';
import { SIGNED_SECONDS } from './signed-seconds.ts';
import { jsonBytes, lastPart, parseJson, readRange, readVersioned, replaceIf, writeJson } from './storage.ts';
import { checkAnnouncement, clientFull, storageFull, tooLarge, uploadNotFound } from './upload-errors.ts';
import { UPLOAD_ID } from './uploads.ts';

/** Bytes of a part but the last; a bucket takes 5 MiB at least and 10,000 parts. A multiple of the blocks of a seal. */
export const DIRECT_PART_BYTES = 8 * 2 ** 20;
/** Read at a time when an object is checked. */
const CHECK_BYTES = 4 * 2 ** 20;
/** One client may have this part of the room for unfinished uploads, or one upload of any size. */
const CLIENT_SHARE = 4;
/** When room runs out, an upload that has received nothing for this long is removed. */
const IDLE_MS = 60_000;

const recordSchema = v.strictObject({
  sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  generation: v.string(),
  /** The bucket's name of the upload. */
  upload: v.string(),
  /** Completed and removed by one process at a time: whoever replaces the record first. */
  state: v.picklist(['open', 'completing', 'removing']),
});

type UploadRecord = v.InferOutput<typeof recordSchema>;

interface DirectUpload extends UploadRecord {
  /** Of the record: what `replaceIf` takes. */
  readonly version: string;
  readonly key: string;
  readonly client: string;
  readonly createdAt: number;
  readonly bytes: number;
}

/** What a client is told: which bytes are missing, and where to put them. */
export interface DirectAddresses {
  readonly id: string;
  readonly partBytes: number;
  readonly expiresInSeconds: number;
  /** Parts that are not there. `offset` and `bytes` say what of the file belongs there. */
  readonly parts: readonly { readonly offset: number; readonly bytes: number; readonly url: string }[];
}

interface Parts {
  readonly storage: Storage;
  readonly adapters: AdapterStore;
  readonly locks: KeyedLock;
  readonly limits: Limits;
  readonly tags: ClientTags;
  readonly bucket: S3Multipart;
}

/**
 * Uploads that clients send to the bucket by themselves, by addresses that are signed here. What is known of one lies in the bucket,
 * `direct/<id>/<client>.<date>.<bytes>`, so that any process can go on with it. When all parts are there, the bucket makes an object of them, which
 * nobody can write to any more; it is read from end to end, and becomes an adapter when it is what was announced. Until then nobody can read it.
 */
export class DirectUploads {
  readonly #storage: Storage;
  readonly #adapters: AdapterStore;
  readonly #locks: KeyedLock;
  readonly #limits: Limits;
  readonly #tags: ClientTags;
  readonly #bucket: S3Multipart;

  constructor({ storage, adapters, locks, limits, tags, bucket }: Parts) {
    this.#storage = storage;
    this.#adapters = adapters;
    this.#locks = locks;
    this.#limits = limits;
    this.#tags = tags;
    this.#bucket = bucket;
  }

  /** Begins an upload of a client, known by its address. */
  async begin(sha256: string, bytes: number | undefined, address: string): Promise<DirectAddresses> {
    checkAnnouncement(sha256, bytes);
    if (bytes! > this.#limits.adapterBytes) throw tooLarge();
    const client = this.#tags.tagOf(address);
    await this.#makeRoom(client, bytes!);
    const id = randomBytes(16).toString('hex');
    const generation = newGeneration(id);
    const upload = await this.#bucket.begin(partKey(sha256, { generation }, 0));
    const key = `direct:${id}:${client}.${Date.now()}.${bytes}`;
    const record: UploadRecord = { sha256, generation, upload, state: 'open' };
    await writeJson(this.#storage, key, record);
    return this.addresses(id);
  }

  /** Where the bytes that are missing can be put; can be asked again when addresses have expired. */
  async addresses(id: string): Promise<DirectAddresses> {
    const { sha256, generation, upload, bytes } = await this.#find(id);
    const object = partKey(sha256, { generation }, 0);
    const there = await this.#bucket.parts(object, upload);
    const missing = there === null ? [] : wanted(bytes).filter((part) => !isThere(part, there));
    const parts = await Promise.all(
      missing.map(async ({ number, offset, bytes: length }) => {
        const url = await this.#bucket.signedPart(object, upload, number, length);
        return { offset, bytes: length, url };
      }),
    );
    return { id, partBytes: DIRECT_PART_BYTES, expiresInSeconds: SIGNED_SECONDS, parts };
  }

  /**
   * Makes an adapter of an upload that has all its bytes. Can be asked again, of any process.
   * @throws HttpError 409 when parts are missing; 422 when it is not what was announced, or no adapter: then it is removed
   */
  async complete(id: string): Promise<void> {
    const found = await this.#find(id);
    const { sha256, generation, upload, bytes, client } = found;
    const object = partKey(sha256, { generation }, 0);
    await this.#locks.run(sha256, async () => {
      const there = await this.#bucket.parts(object, upload);
      if (there !== null) {
        const missing = wanted(bytes).filter((part) => !isThere(part, there));
        if (missing.length > 0) throw partsMissing(missing.length);
        await this.#bucket.complete(object, upload, there);
      }
      const { size } = await this.#storage.getMeta(object, { nativeOnly: true });
      if (size === undefined || !(await this.#becomes(found, 'completing'))) throw uploadNotFound();
      try {
        const parts = await this.#check(sha256, object, bytes, Number(size));
        const partBytes = wanted(bytes).length * DIRECT_PART_BYTES;
        await this.#adapters.seal(sha256, { bytes, client, generation, partBytes, parts });
      } catch (error) {
        if (!(error instanceof ModelError)) throw error;
        await this.#clear(found);
        throw new HttpError(422, error.code, error.message, error.hint);
      }
      await this.#storage.removeItem(found.key);
    });
  }

  /** Removes an upload and its bytes. */
  async cancel(id: string): Promise<void> {
    if (!(await this.#remove(await this.#find(id)))) throw uploadNotFound();
  }

  /** Removes what has expired, and what was begun and of which nothing has come. */
  async sweep(signal?: AbortSignal): Promise<void> {
    for (const upload of await this.#all()) {
      signal?.throwIfAborted();
      const ageMs = Date.now() - upload.createdAt;
      const { uploadExpiryMs, emptyUploadExpiryMs } = this.#limits;
      // Its process died. An object without a seal goes by its age (`AdapterStore.removeLeftovers`).
      if (upload.state === 'completing' && ageMs > uploadExpiryMs) await this.#storage.removeItem(upload.key);
      else if (ageMs > uploadExpiryMs || (ageMs > emptyUploadExpiryMs && (await this.#isEmpty(upload))))
        await this.#remove(upload);
    }
    // Those whose record was never written.
    await this.#bucket.abortOlderThan(this.#limits.uploadExpiryMs);
  }

  /** SHA-256 of the blocks of an object that is what was announced. @throws ModelError when it is not */
  async #check(sha256: string, object: string, bytes: number, size: number): Promise<string[]> {
    if (size !== bytes) throw mismatch(`are ${size}, not ${bytes} as announced`);
    const file = this.#fileOf(object, bytes);
    const hash = createHash('sha256');
    const blocks: string[] = [];
    for (let offset = 0; offset < bytes; offset += CHECK_BYTES) {
      const piece = await file.read(offset, Math.min(CHECK_BYTES, bytes - offset));
      hash.update(piece);
      blocks.push(...blockHashes(piece));
    }
    const found = hash.digest('hex');
    if (found !== sha256) throw mismatch(`have the SHA-256 ${found}, not ${sha256} as announced`);
    await checkAdapterFile(file);
    return blocks;
  }

  #fileOf(object: string, size: number): ReadableFile {
    return {
      size,
      read: async (offset, length) => {
        const bytes = await readRange(this.#storage, object, { offset, length });
        if (bytes?.length !== length)
          throw new Error(`${object} ended after ${offset + (bytes?.length ?? 0)} bytes.`);
        return bytes;
      },
    };
  }

  async #makeRoom(client: string, size: number): Promise<void> {
    const { clientUploads, unfinishedUploads, clientBytes, storedBytes, unfinishedBytes } = this.#limits;
    const all = await this.#all();
    const own = all.filter((upload) => upload.client === client);
    const ownBytes = sum(own);
    if (own.length >= clientUploads)
      throw clientFull(`${clientUploads} uploads from this address are not finished.`);
    if (own.length > 0 && ownBytes + size > unfinishedBytes / CLIENT_SHARE)
      throw clientFull('Other uploads from this address are not finished.');
    if (this.#adapters.bytesOf(client) + ownBytes + size > clientBytes)
      throw clientFull(`This address has brought ${Math.round(clientBytes / 2 ** 20)} MB of adapters.`);
    if (this.#adapters.totalBytes + size > storedBytes) throw storageFull();
    let { length } = all;
    let bytes = sum(all);
    for (const upload of all.toSorted((a, b) => a.createdAt - b.createdAt)) {
      if (length < unfinishedUploads && bytes + size <= unfinishedBytes) return;
      // What is announced and does not come takes no room from others.
      if (Date.now() - upload.createdAt < IDLE_MS || !(await this.#isEmpty(upload))) continue;
      await this.#remove(upload);
      length--;
      bytes -= upload.bytes;
    }
    if (length >= unfinishedUploads || bytes + size > unfinishedBytes) throw storageFull();
  }

  async #isEmpty({ sha256, generation, upload }: DirectUpload): Promise<boolean> {
    const object = partKey(sha256, { generation }, 0);
    const there = await this.#bucket.parts(object, upload);
    return there === null ? !(await this.#storage.hasItem(object)) : there.length === 0;
  }

  /** Removes an upload; false when it is being completed, and what it becomes is not ours to remove. */
  async #remove(upload: DirectUpload): Promise<boolean> {
    if (!(await this.#becomes(upload, 'removing'))) return false;
    await this.#clear(upload);
    return true;
  }

  /** The record goes last, so that what is left by a crash is found again. */
  async #clear({ key, sha256, generation, upload }: DirectUpload): Promise<void> {
    const object = partKey(sha256, { generation }, 0);
    await this.#bucket.abort(object, upload);
    await this.#storage.removeItem(object);
    await this.#storage.removeItem(key);
  }

  /** Says what is about to be done with an upload; false when another process has said something else. */
  async #becomes({ key, version, ...upload }: DirectUpload, state: UploadRecord['state']): Promise<boolean> {
    if (upload.state !== 'open') return upload.state === state;
    const { sha256, generation, upload: name } = upload;
    const record: UploadRecord = { sha256, generation, upload: name, state };
    if (await replaceIf(this.#storage, key, jsonBytes(record), version)) return true;
    return (await this.#read(key))?.state === state;
  }

  async #find(id: string): Promise<DirectUpload> {
    const [key] = UPLOAD_ID.test(id) ? await this.#storage.getKeys(`direct:${id}`) : [];
    const upload = key === undefined ? null : await this.#read(key);
    if (upload === null) throw uploadNotFound();
    return upload;
  }

  async #all(): Promise<DirectUpload[]> {
    const keys = await this.#storage.getKeys('direct');
    const uploads = await Promise.all(keys.map((key) => this.#read(key)));
    return uploads.filter((upload) => upload !== null);
  }

  async #read(key: string): Promise<DirectUpload | null> {
    const match = /^([0-9a-f]{12})\.(\d{13})\.(\d{1,12})$/.exec(lastPart(key));
    const found = await readVersioned(this.#storage, key);
    const record = v.safeParse(recordSchema, found && parseJson(found.bytes));
    if (!match || !record.success) return null;
    const [, client, createdAt, bytes] = match;
    const { version } = found!;
    return {
      ...record.output,
      key,
      version,
      client: client!,
      createdAt: Number(createdAt),
      bytes: Number(bytes),
    };
  }
}

interface WantedPart {
  readonly number: number;
  readonly offset: number;
  readonly bytes: number;
}

function wanted(bytes: number): WantedPart[] {
  return Array.from({ length: Math.ceil(bytes / DIRECT_PART_BYTES) }, (_, index) => {
    const offset = index * DIRECT_PART_BYTES;
    return { number: index + 1, offset, bytes: Math.min(DIRECT_PART_BYTES, bytes - offset) };
  });
}

function isThere({ number, bytes }: WantedPart, there: readonly StoredPart[]): boolean {
  return there.some((part) => part.number === number && part.bytes === bytes);
}

function sum(uploads: readonly { readonly bytes: number }[]): number {
  return uploads.reduce((total, { bytes }) => total + bytes, 0);
}

function mismatch(what: string): ModelError {
  return new ModelError('hash-mismatch', `The bytes ${what}.`, 'Upload the adapter again.');
}

function partsMissing(count: number): HttpError {
  return new HttpError(
    409,
    'bad-input',
    `${count} parts of the upload are missing.`,
    'Send them, then complete it.',
  );
}
