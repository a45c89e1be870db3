import { ModelError } from '../base/errors.ts';
import { byteReader, memoryReader, type ByteReader } from './byte-reader.ts';
import { cachedReader } from './cached-reader.ts';
import { HttpVersion, replacedFile } from './http-version.ts';
import { httpGet, pause, shown, statusError, type HttpOptions } from './http.ts';

/** Files up to this size are fetched whole from a host that ignores ranges. */
const MOST_WHOLE = 256 * 2 ** 20;

/** A redirect's target that answers so has expired: the address itself is asked again. */
const EXPIRED = new Set([400, 401, 403, 404, 410]);

/**
 * A file on a web server, read by ranges. Its size is what a ranged answer says, because other answers may be compressed: a request
 * with a range is sent with `Accept-Encoding: identity` by browsers and Node alike.
 *
 * @param byteLength where it is known beforehand (a Hub listing)
 * @returns null where the host has no such file, or answers with its own page instead
 * @throws ModelError `download-failed`, `cancelled`
 */
export async function httpReader(
  url: string,
  name: string,
  options: HttpOptions = {},
  byteLength: number | null = null,
): Promise<ByteReader | null> {
  const target = new Target(url, options);
  if (byteLength !== null) return cachedReader(rangedReader(target, name, byteLength), options.cache);

  const response = await target.get(0, 1);
  if (response.status === 404 || isHostsPage(response, name)) {
    await response.body?.cancel();
    return null;
  }
  if (response.status === 416) {
    // The only file without a first byte is an empty one.
    await response.body?.cancel();
    return memoryReader(new Uint8Array(), name);
  }
  if (response.status === 200) return memoryReader(await wholeBody(response, url), name);
  if (response.status !== 206) {
    await response.body?.cancel();
    throw statusError(url, response.status);
  }
  const length = totalOf(response.headers.get('content-range'));
  await response.body?.cancel();
  const version = response.headers.get('etag') ?? response.headers.get('last-modified') ?? undefined;
  if (length !== null) return cachedReader(rangedReader(target, name, length, version), options.cache);
  // The header is there but hidden from the page: the host has to expose it. Without it the size is unknown.
  const all = await target.get(0, null);
  if (!all.ok) throw statusError(url, all.status);
  return memoryReader(await wholeBody(all, url), name);
}

/** Where the bytes are: the address, or what it redirected to last, as long as that is valid. */
class Target {
  readonly url: string;
  readonly #options: HttpOptions;
  readonly #version = new HttpVersion();
  #direct: string | null = null;

  constructor(url: string, options: HttpOptions) {
    this.url = url;
    this.#options = options;
  }

  /**
   * @param end null for the whole file, which still asks for no compression
   * @throws ModelError `download-failed` also where the answer is of another file than those before it
   */
  async get(start: number, end: number | null): Promise<Response> {
    const response = await this.#get(start, end);
    this.#version.requireSame(this.url, response);
    return response;
  }

  async #get(start: number, end: number | null): Promise<Response> {
    const range = end === null ? null : { start, end };
    const direct = this.#direct;
    if (direct !== null) {
      const { headers: _, ...anonymous } = this.#options;
      const response = await httpGet(direct, range, anonymous).catch((error: unknown) => {
        if (error instanceof ModelError && error.code === 'cancelled') throw error;
        return null;
      });
      if (response && !EXPIRED.has(response.status)) return response;
      await response?.body?.cancel();
      this.#direct = null;
    }
    const response = await httpGet(this.url, range, this.#options);
    if (response.ok && response.redirected && response.url) this.#direct = response.url;
    return response;
  }

  /** @throws ModelError `cancelled` where the one who reads has given up */
  throwIfCancelled(cause: unknown): void {
    if (!this.#options.signal?.aborted) return;
    throw new ModelError('cancelled', 'The download was cancelled.', '', { cause });
  }

  /** Longer each time. */
  async pause(times: number): Promise<void> {
    await pause(times === 1 ? 0 : Math.min(LONGEST_PAUSE_MS, 500 * 2 ** times), this.#options);
  }
}

function rangedReader(target: Target, name: string, byteLength: number, version?: string): ByteReader {
  let whole: Promise<Uint8Array<ArrayBuffer>> | null = null;
  const reader = byteReader(name, byteLength, async (start, end) => {
    if (whole) return (await whole).slice(start, end);
    const response = await target.get(start, end);
    if (response.status === 206) return fromRanges(target, response, { start, end, byteLength });
    if (response.status !== 200) {
      await response.body?.cancel();
      throw statusError(target.url, response.status);
    }
    if (byteLength > MOST_WHOLE) {
      await response.body?.cancel();
      throw noRanges(target.url, byteLength);
    }
    whole = wholeBody(response, target.url).then((bytes) => {
      if (bytes.byteLength === byteLength) return bytes;
      throw replacedFile(target.url);
    });
    whole.catch(() => (whole = null));
    return (await whole).slice(start, end);
  });
  return version === undefined ? reader : { ...reader, version };
}

/** A connection that breaks before another byte has come, this often in a row, is given up. */
const MOST_BREAKS = 8;
const LONGEST_PAUSE_MS = 30_000;

/** The bytes of a range. Where the connection breaks, what has come is kept and the rest asked for. */
async function fromRanges(
  target: Target,
  first: Response,
  range: { readonly start: number; readonly end: number; readonly byteLength: number },
): Promise<Uint8Array<ArrayBuffer>> {
  const out = new Uint8Array(range.end - range.start);
  let response = first;
  let breaks = 0;
  for (let done = 0; ;) {
    const before = done;
    checkAnswer(target.url, response, range.start + done, range.byteLength);
    let cause: unknown;
    try {
      const body = response.body?.getReader();
      for (let next = await body?.read(); next && !next.done; next = await body?.read()) {
        const bytes = next.value.subarray(0, out.length - done);
        out.set(bytes, done);
        done += bytes.length;
      }
    } catch (error) {
      cause = error;
    }
    if (done === out.length) return out;
    target.throwIfCancelled(cause);
    breaks = done > before ? 1 : breaks + 1;
    if (breaks === MOST_BREAKS) throw brokeOff(target.url, range.start + done, cause);
    await target.pause(breaks);
    response = await target.get(range.start + done, range.end);
    if (response.status === 206) continue;
    await response.body?.cancel();
    throw statusError(target.url, response.status);
  }
}

/** @throws ModelError where the host answers another range than the one asked for, or the file has another size by now */
function checkAnswer(url: string, response: Response, start: number, byteLength: number): void {
  const said = response.headers.get('content-range');
  // A host may hide it from the page.
  const [, from, total] = /^bytes (\d+)-\d+\/(\d+|\*)/.exec(said ?? '') ?? [];
  if (from === undefined || (Number(from) === start && (total === '*' || Number(total) === byteLength)))
    return;
  void response.body?.cancel();
  throw new ModelError(
    'download-failed',
    `${shown(url)} answered with "${said}"; bytes from ${start} of ${byteLength} were asked for.`,
    'The file changed while it was read, or its host answers range requests wrongly. Open it again.',
  );
}

function brokeOff(url: string, at: number, cause: unknown): ModelError {
  return new ModelError(
    'download-failed',
    `The connection to ${shown(url)} broke off at byte ${at}, again and again.`,
    'Check your connection and try again.',
    { cause },
  );
}

/** A host for single-page applications answers every unknown address with its own page. */
function isHostsPage(response: Response, name: string): boolean {
  return (
    response.ok &&
    /^text\/html\b/i.test(response.headers.get('content-type') ?? '') &&
    !/\.html?$/i.test(name)
  );
}

/** The last number of `bytes 0-0/1234`. */
function totalOf(contentRange: string | null): number | null {
  const total = /\/(\d+)\s*$/.exec(contentRange ?? '')?.[1];
  return total === undefined ? null : Number(total);
}

async function wholeBody(response: Response, url: string): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  const reader = response.body?.getReader();
  try {
    for (;;) {
      const next = await reader?.read();
      if (!next || next.done) break;
      length += next.value.byteLength;
      if (length > MOST_WHOLE) {
        await reader!.cancel();
        throw noRanges(url, length);
      }
      parts.push(next.value);
    }
  } catch (error) {
    if (error instanceof ModelError) throw error;
    throw new ModelError('download-failed', `${shown(url)} broke off after ${length} bytes.`, 'Try again.', {
      cause: error,
    });
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

function noRanges(url: string, byteLength: number): ModelError {
  return new ModelError(
    'download-failed',
    `The host of ${shown(url)} ignores range requests or hides Content-Range, and the file has ${byteLength} bytes or more.`,
    'Host it where ranges work (and Content-Range is exposed), or download it and choose the folder.',
  );
}
