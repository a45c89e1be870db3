import { ModelError } from '../../base/errors.ts';
import type { PackageFile } from './manifest.ts';
import { cancelled, type ShardStore } from './shard-store.ts';

export type Fetch = (url: string, init?: RequestInit) => Promise<Response>;

export interface DownloadOptions {
  readonly fetch?: Fetch;
  readonly signal?: AbortSignal;
  /** Bytes of the file that are here. */
  readonly onBytes?: (loaded: number) => void;
}

const RESUME = 'Load again: it resumes where it stopped.';

/** Bytes are written to the store in pieces of about this size. */
const WRITE_BYTES = 2 ** 20;

/**
 * Appends what is missing of a file, by an HTTP range request from where the stored part ends. A server that ignores
 * ranges sends everything again; the part that is here is then skipped.
 */
export async function downloadFile(
  url: string,
  file: PackageFile,
  store: ShardStore,
  pack: string,
  options: DownloadOptions,
): Promise<void> {
  if ((await store.byteLength(pack, file.path)) > file.byteLength) await store.remove(pack, file.path);
  const have = await store.byteLength(pack, file.path);
  const response = await request(url, options, have > 0 ? { Range: `bytes=${have}-` } : {});
  if (response.status === 416 && have > 0) {
    // The server's file ends before ours does: what is here is of another version.
    await store.remove(pack, file.path);
    return downloadFile(url, file, store, pack, options);
  }
  if (!response.ok) throw refused(url, response);
  const target = await store.appender(pack, file.path);
  try {
    if (have > 0 && response.status === 206) checkContentRange(response, file.path, have);
    let skip = response.status === 206 ? 0 : have;
    let waiting: Uint8Array<ArrayBuffer>[] = [];
    let waitingBytes = 0;
    const flush = () => {
      for (const piece of waiting) target.append(piece);
      waiting = [];
      waitingBytes = 0;
      options.onBytes?.(target.byteLength);
    };
    try {
      for await (const chunk of bodyOf(response, file.path, options)) {
        const piece = chunk.subarray(Math.min(skip, chunk.byteLength));
        skip -= chunk.byteLength - piece.byteLength;
        if (target.byteLength + waitingBytes + piece.byteLength > file.byteLength) {
          throw new ModelError(
            'download-failed',
            `${file.path} is longer than the ${file.byteLength} bytes the manifest gives.`,
            'The server holds another version; load the package again later.',
          );
        }
        waiting.push(piece);
        waitingBytes += piece.byteLength;
        if (waitingBytes >= WRITE_BYTES) flush();
      }
    } finally {
      // What came before a broken connection is kept.
      flush();
    }
    if (target.byteLength < file.byteLength) {
      throw new ModelError(
        'download-failed',
        `${file.path} ended after ${target.byteLength} of ${file.byteLength} bytes.`,
        RESUME,
      );
    }
  } finally {
    target.close();
  }
}

/** A small file as bytes, at most `limit` of them. */
export async function fetchText(
  url: string,
  limit: number,
  options: DownloadOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const response = await request(url, options, {});
  if (!response.ok) throw refused(url, response);
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for await (const chunk of bodyOf(response, url, options)) {
    size += chunk.byteLength;
    if (size > limit)
      throw new ModelError('bad-package', `${url} has more than ${limit} bytes, far more than any manifest.`);
    parts.push(chunk);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

async function request(
  url: string,
  options: DownloadOptions,
  headers: Record<string, string>,
): Promise<Response> {
  const fetchIt = options.fetch ?? fetch;
  try {
    return await fetchIt(url, {
      headers,
      cache: 'no-store',
      ...(options.signal ? { signal: options.signal } : {}),
    });
  } catch (error) {
    throw failure(url, options, error);
  }
}

function refused(url: string, response: Response): ModelError {
  return new ModelError(
    'download-failed',
    `${url} answered ${response.status} ${response.statusText}`.trim() + '.',
    response.status === 404 ? 'Check the address of the package.' : RESUME,
  );
}

async function* bodyOf(
  response: Response,
  name: string,
  options: DownloadOptions,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  if (!response.body) return;
  const reader = response.body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } catch (error) {
    throw error instanceof ModelError ? error : failure(name, options, error);
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

function checkContentRange(response: Response, path: string, have: number): void {
  const range = response.headers.get('Content-Range');
  if (range === null || range.startsWith(`bytes ${have}-`)) return;
  throw new ModelError(
    'download-failed',
    `${path}: bytes from ${have} were asked for, the server sent "${range}".`,
    'The server answers range requests wrongly.',
  );
}

function failure(what: string, options: DownloadOptions, cause: unknown): ModelError {
  if (options.signal?.aborted) return cancelled(cause);
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new ModelError(
    'download-failed',
    `${what} could not be downloaded: ${reason}.`,
    `Check the connection. ${RESUME}`,
    { cause },
  );
}
