import { ModelError } from '../base/errors.ts';
import { shown } from './http.ts';

/**
 * Holds all answers about one file to the same content: by its ETag, or by its date where the host gives no ETag or hides it from the
 * page (a browser shows `Last-Modified` of any host). Hosts tag the same file differently, so each is compared with itself only.
 */
export class HttpVersion {
  readonly #byHost = new Map<string, Validators>();

  /** @throws ModelError `download-failed` where this answer is of another file than the ones before it */
  requireSame(url: string, response: Response): void {
    if (!response.ok) return;
    const host = response.url ? new URL(response.url).host : '';
    const now = validatorsOf(response);
    const before = this.#byHost.get(host) ?? now;
    this.#byHost.set(host, { etag: before.etag ?? now.etag, date: before.date ?? now.date });
    const replaced =
      before.etag !== null && now.etag !== null
        ? before.etag !== now.etag
        : before.date !== null && now.date !== null && before.date !== now.date;
    if (!replaced) return;
    void response.body?.cancel();
    throw replacedFile(url);
  }
}

export function replacedFile(url: string): ModelError {
  return new ModelError(
    'download-failed',
    `${shown(url)} was replaced while it was read: what came before and what comes now are of different files.`,
    'Open it again to read the new one.',
  );
}

interface Validators {
  readonly etag: string | null;
  readonly date: string | null;
}

/** A host that compresses marks its tags as weak; the bytes are the same. */
function validatorsOf({ headers }: Response): Validators {
  return { etag: headers.get('etag')?.replace(/^W\//, '') ?? null, date: headers.get('last-modified') };
}
