/** What the page asks of the share server. `server` is its origin; '' is the one the page came from. */
import * as v from 'valibot';
import type { DetailedError, Upload } from 'tus-js-client';
import { ModelError, type ErrorCode } from '../base/errors.ts';
import { parseShareManifest, type ShareManifest } from './share-manifest.ts';
import { RETRY_DELAYS_MS, unreachable, type UploadOptions } from './uploads.ts';

/** Bytes of one request; each counts against the server's limit of writes. */
const CHUNK_BYTES = 16 * 2 ** 20;
const createdSchema = v.object({ id: v.string(), token: v.string(), url: v.string() });
const healthSchema = v.object({
  shares: v.number(),
  adapterBytes: v.number(),
  directUploads: v.optional(v.boolean(), false),
});
const errorSchema = v.object({
  error: v.object({ code: v.string(), message: v.string(), hint: v.string() }),
});

/** `token` allows to delete the share; `url` is its page, from the root of the server. */
export type CreatedShare = v.InferOutput<typeof createdSchema>;

/** Whether this page comes with a share server; `unreachable` where nothing answered that would tell. */
export type ShareServer = 'here' | 'none' | 'unreachable';

export async function shareServer(server = ''): Promise<ShareServer> {
  const health = await healthOf(server);
  return health === 'unreachable' ? health : health ? 'here' : 'none';
}

type Health = v.InferOutput<typeof healthSchema>;

/** Null where something else answers, as on static hosts. */
async function healthOf(server: string): Promise<Health | null | 'unreachable'> {
  const answer = await fetch(`${server}/api/health`, { cache: 'no-store' }).catch(() => null);
  if (!answer) return 'unreachable';
  const health = v.safeParse(healthSchema, answer.ok ? await answer.json().catch(() => null) : null);
  return health.success ? health.output : null;
}

/** Where the server keeps an adapter. */
export function adapterAddress(sha256: string, server = ''): string {
  return `${server}/api/adapters/${sha256}`;
}

/**
 * Puts an adapter on the server; done at once when it is there. An upload that was interrupted, by a lost connection or by closing
 * the page, goes on where it stopped.
 * @throws ModelError `cancelled` by the signal; `hash-mismatch`, `bad-file`, `storage-full`, `bad-input` when the server refuses the file;
 * `download-failed` when it cannot be reached
 */
export async function uploadAdapter(blob: Blob, sha256: string, options: UploadOptions = {}): Promise<void> {
  const there = () => isThere(sha256, options);
  // The answer to a completed upload may be what was lost: then it is there, and need not go the other way.
  if (!(await there()) && !(await uploadToBucket(blob, sha256, options)) && !(await there()))
    await uploadByTus(blob, sha256, options);
  options.onProgress?.(blob.size, blob.size);
}

async function isThere(sha256: string, { signal, server = '' }: UploadOptions): Promise<boolean> {
  const answer = await request(adapterAddress(sha256, server), {
    method: 'HEAD',
    ...(signal && { signal }),
  });
  return answer.ok;
}

/** Straight to the server's bucket, where it has one for that; false where that does not work, and the server has to take the bytes itself. */
async function uploadToBucket(blob: Blob, sha256: string, options: UploadOptions): Promise<boolean> {
  const { signal, server = '' } = options;
  const health = await healthOf(server);
  if (health === null || health === 'unreachable' || !health.directUploads) return false;
  const { uploadDirect } = await import('./direct-upload.ts');
  try {
    const sent = await uploadDirect(blob, sha256, options);
    if (typeof sent === 'boolean') return sent;
    throw refusalError(sent.status, await sent.text());
  } catch (error) {
    throw signal?.aborted ? cancelled() : error;
  }
}

async function uploadByTus(blob: Blob, sha256: string, options: UploadOptions): Promise<void> {
  const { signal, onProgress, onRetry, server = '' } = options;
  const tus = await import('tus-js-client');
  await new Promise<void>((done, failed) => {
    const upload = new tus.Upload(blob, {
      endpoint: `${server}/api/adapters/uploads`,
      metadata: { sha256 },
      chunkSize: CHUNK_BYTES,
      retryDelays: RETRY_DELAYS_MS,
      // The address of an upload under way is kept under the hash: the same file resumes, under whatever name.
      fingerprint: () => Promise.resolve(`openvla-adapter-${server}-${sha256}`),
      removeFingerprintOnSuccess: true,
      onShouldRetry: (error) => {
        const again = mayPass(error.originalResponse?.getStatus() ?? 0);
        if (again) onRetry?.();
        return again;
      },
      onProgress: (sentBytes) => onProgress?.(sentBytes, blob.size),
      onSuccess: () => done(),
      onError: (error) => failed(uploadError(error)),
    });
    const cancel = () => {
      failed(cancelled());
      return upload.abort();
    };
    signal?.addEventListener('abort', () => void cancel(), { once: true });
    start(upload, signal).catch(failed);
  });
}

async function start(upload: Upload, signal: AbortSignal | undefined): Promise<void> {
  const [previous] = await upload.findPreviousUploads();
  if (signal?.aborted) throw cancelled();
  if (previous) upload.resumeFromPreviousUpload(previous);
  upload.start();
}

/**
 * Publishes a share. An adapter whose `url` is null has to be on the server.
 * @throws ModelError `bad-input` when the server refuses it, `download-failed` when it cannot be reached
 */
export async function createShare(manifest: ShareManifest, server = ''): Promise<CreatedShare> {
  const answer = await request(`${server}/api/shares`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(parseShareManifest(manifest)),
  });
  const json = await jsonOf(answer);
  if (v.is(createdSchema, json)) return json;
  throw notOurServer(server);
}

/** @throws ModelError `download-failed` when there is no such share or the server cannot be reached */
export async function fetchShare(id: string, server = ''): Promise<ShareManifest> {
  return parseShareManifest(await jsonOf(await request(shareAddress(id, server))));
}

/** Deletes a share with the token that `createShare` gave. @throws ModelError `download-failed` saying why it could not */
export async function deleteShare(id: string, token: string, server = ''): Promise<void> {
  const headers = { Authorization: `Bearer ${token}` };
  const answer = await request(shareAddress(id, server), { method: 'DELETE', headers });
  if (!answer.ok) throw refusalError(answer.status, await answer.text());
}

function shareAddress(id: string, server: string): string {
  return `${server}/api/shares/${encodeURIComponent(id)}`;
}

async function request(address: string, init: RequestInit = {}): Promise<Response> {
  try {
    return await fetch(address, init);
  } catch (cause) {
    if (init.signal?.aborted) throw cancelled();
    throw unreachable(cause);
  }
}

async function jsonOf(answer: Response): Promise<unknown> {
  const text = await answer.text();
  if (!answer.ok) throw refusalError(answer.status, text);
  try {
    return JSON.parse(text);
  } catch {
    throw notOurServer(new URL(answer.url).origin);
  }
}

/** Statuses after which trying again can help: no answer, lost uploads (begun anew), locks, limits, failures of the server. */
function mayPass(status: number): boolean {
  return status === 0 || [404, 409, 410, 423, 429].includes(status) || (status >= 500 && status !== 507);
}

function uploadError(error: Error): ModelError {
  const answer = (error as DetailedError).originalResponse;
  return answer ? refusalError(answer.getStatus(), answer.getBody()) : unreachable(error);
}

const CODES: Readonly<Record<string, ErrorCode>> = {
  'hash-mismatch': 'hash-mismatch',
  'bad-file': 'bad-file',
  'bad-input': 'bad-input',
  'adapter-missing': 'bad-input',
  'too-large': 'bad-input',
  'storage-full': 'storage-full',
};

/** The server's own words where it gave any. */
function refusalError(status: number, body: string): ModelError {
  let json: unknown = null;
  try {
    json = JSON.parse(body);
  } catch {
    // Said in general words below.
  }
  if (v.is(errorSchema, json)) {
    const { code, message, hint } = json.error;
    return new ModelError(CODES[code] ?? 'download-failed', message, hint);
  }
  return new ModelError('download-failed', `The share server answered ${status}.`, 'Try again later.');
}

function cancelled(): ModelError {
  return new ModelError('cancelled', 'The upload was cancelled.', 'Share again to go on where it stopped.');
}

function notOurServer(server: string): ModelError {
  return new ModelError(
    'download-failed',
    `What answers at ${server || 'this address'} is not a share server.`,
    'Open the page from a server started with `npm run serve`, or share as a file.',
  );
}
