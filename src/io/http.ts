/** HTTP as ordinary hosts speak it: they compress, refuse HEAD, ignore ranges, redirect, and ask to come back later. */
import { ModelError } from '../base/errors.ts';
import { sleep } from '../base/sleep.ts';
import type { CacheOptions } from './cached-reader.ts';

export interface HttpOptions {
  /** Sent to the address itself, never to where it redirects: a browser drops `Authorization` on the way to another host. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Default the global one. */
  readonly fetch?: typeof globalThis.fetch;
  /** Keeps what is read only once, and is large, out of the browser's cache. */
  readonly noStore?: boolean;
  /** What a reader remembers of a file. */
  readonly cache?: CacheOptions;
  /** Milliseconds to wait before another try; tests shorten it. */
  readonly wait?: (ms: number, signal?: AbortSignal) => Promise<void>;
}

/** A host that is busy (429, 503) or whose connection broke is asked this often. */
const TRIES = 5;
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 60_000;

/**
 * A GET, tried again where the host says so or the connection breaks.
 * @returns any answer but 429 and 503: the caller looks at the status
 * @throws ModelError `download-failed`, `cancelled`
 */
export async function httpGet(
  url: string,
  range: { readonly start: number; readonly end: number } | null,
  options: HttpOptions = {},
): Promise<Response> {
  const { headers = {}, signal } = options;
  const send = options.fetch ?? globalThis.fetch;
  const init: RequestInit = {
    headers: { ...headers, ...(range ? { range: `bytes=${range.start}-${range.end - 1}` } : {}) },
    ...(options.noStore ? { cache: 'no-store' as const } : {}),
    ...(signal ? { signal } : {}),
  };
  for (let attempt = 1; ; attempt++) {
    let pauseMs = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (attempt - 1));
    try {
      const response = await send(url, init);
      if (response.status !== 429 && response.status !== 503) return response;
      await response.body?.cancel();
      if (attempt === TRIES) throw statusError(url, response.status);
      pauseMs = retryAfterMs(response.headers.get('retry-after')) ?? pauseMs;
    } catch (error) {
      if (error instanceof ModelError) throw error;
      if (signal?.aborted) throw cancelled(error);
      if (attempt === TRIES) throw unreachable(url, error);
      // A page cannot tell a refused CORS request from a broken connection; the former does not get better.
      if (attempt === 2 && (await isRefused(url, send))) throw unreachable(url, error);
    }
    await pause(pauseMs, options);
  }
}

/** Waits. @throws ModelError `cancelled`, at once */
export async function pause(ms: number, { wait = sleep, signal }: HttpOptions): Promise<void> {
  try {
    await wait(ms, signal);
  } catch (error) {
    throw cancelled(error);
  }
}

function cancelled(cause: unknown): ModelError {
  return new ModelError('cancelled', 'The download was cancelled.', '', { cause });
}

/** Whether a plain request without our headers fails as well: then no waiting helps. */
async function isRefused(url: string, send: typeof globalThis.fetch): Promise<boolean> {
  try {
    const response = await send(url, { method: 'HEAD', mode: 'no-cors' });
    await response.body?.cancel();
    return false;
  } catch {
    return true;
  }
}

function retryAfterMs(value: string | null): number | null {
  if (value === null) return null;
  const seconds = Number(value);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.min(LONGEST_WAIT_MS, Math.max(0, ms)) : null;
}

function unreachable(url: string, cause: unknown): ModelError {
  return new ModelError(
    'download-failed',
    `${shown(url)} could not be reached.`,
    'Check the address and your connection. The host also has to allow other pages to read it (CORS).',
    { cause },
  );
}

/** An address for messages: without a signature, which nobody can read and which may be a secret. */
export function shown(url: string): string {
  return url.replace(/[?#].*$/, '');
}

const MEANING: Readonly<Record<number, readonly [string, string]>> = {
  401: ['it asks for a login', 'Give an access token that may read it.'],
  403: ['it refuses access', 'Ask for access, or give an access token that may read it.'],
  404: ['nothing is there', 'Check the address.'],
  410: ['it was taken away', 'Check the address.'],
  429: ['it is asked too often', 'Wait a few minutes and try again.'],
  503: ['it is busy', 'Wait a few minutes and try again.'],
};

export function statusError(url: string, status: number): ModelError {
  const [meaning, hint] = MEANING[status] ?? [
    status >= 500 ? 'the host has a fault' : 'the host refuses it',
    status >= 500 ? 'Try again later.' : 'Check the address.',
  ];
  return new ModelError('download-failed', `${shown(url)} answered with status ${status}: ${meaning}.`, hint);
}
