/** Sends an adapter to the bucket of a share server by itself, part by part, by addresses that the server signs. */
import * as v from 'valibot';

/** Waits after failures in a row of one part. */
const RETRY_DELAYS_MS = [0, 1000, 3000, 8000, 20_000];

const addressesSchema = v.object({
  id: v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/)),
  parts: v.array(
    v.object({
      offset: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
      bytes: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
      url: v.pipe(v.string(), v.url()),
    }),
  ),
});
type Addresses = v.InferOutput<typeof addressesSchema>;

export interface DirectOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (sentBytes: number, totalBytes: number) => void;
  readonly onRetry?: () => void;
  readonly server?: string;
}

/**
 * Whether the adapter is on the server now. False where this way cannot be gone: the server refuses to begin, or the bucket cannot be reached
 * from this page. An upload that was interrupted goes on where it stopped, in a later visit too.
 * @returns the server's refusal of what was sent, to be told
 * @throws what `signal` was aborted with
 */
export async function uploadDirect(
  blob: Blob,
  sha256: string,
  { signal, onProgress, onRetry, server = '' }: DirectOptions,
): Promise<boolean | Response> {
  const kept = `openvla-direct-${server}-${sha256}`;
  const addresses = await begin(blob, sha256, server, kept, signal);
  if (addresses === null) return false;
  remember(kept, addresses.id);
  let sentBytes = blob.size - addresses.parts.reduce((sum, { bytes }) => sum + bytes, 0);
  for (const { offset, bytes, url } of addresses.parts) {
    onProgress?.(sentBytes, blob.size);
    const part = { method: 'PUT', body: blob.slice(offset, offset + bytes), ...(signal && { signal }) };
    if (!(await repeated(url, part, onRetry))) return false;
    sentBytes += bytes;
  }
  onProgress?.(sentBytes, blob.size);
  const complete = { method: 'POST', ...(signal && { signal }) };
  const answer = await repeated(`${direct(server)}/${addresses.id}/complete`, complete, onRetry);
  if (!answer) return false;
  remember(kept, null);
  return answer.ok || answer;
}

function direct(server: string): string {
  return `${server}/api/adapters/direct`;
}

/** Goes on with an upload of an earlier visit, or begins one. */
async function begin(
  blob: Blob,
  sha256: string,
  server: string,
  kept: string,
  signal: AbortSignal | undefined,
): Promise<Addresses | null> {
  const earlier = remembered(kept);
  const found = earlier && (await addressesOf(`${direct(server)}/${earlier}`, { ...(signal && { signal }) }));
  if (found) return found;
  return addressesOf(direct(server), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ sha256, bytes: blob.size }),
    ...(signal && { signal }),
  });
}

async function addressesOf(url: string, init: RequestInit): Promise<Addresses | null> {
  try {
    const answer = await fetch(url, init);
    const parsed = v.safeParse(addressesSchema, answer.ok ? await answer.json() : null);
    return parsed.success ? parsed.output : null;
  } catch (error) {
    init.signal?.throwIfAborted();
    if (error instanceof TypeError || error instanceof SyntaxError) return null;
    throw error;
  }
}

/** The answer that is not a failure of the line or of a server; null when there is none. A 422 is an answer. */
async function repeated(
  url: string,
  init: RequestInit,
  onRetry: (() => void) | undefined,
): Promise<Response | null> {
  for (const [index, delayMs] of RETRY_DELAYS_MS.entries()) {
    if (index > 0) {
      onRetry?.();
      await new Promise((done) => setTimeout(done, delayMs));
    }
    init.signal?.throwIfAborted();
    const answer = await fetch(url, init).catch(() => null);
    init.signal?.throwIfAborted();
    if (answer?.ok || answer?.status === 422) return answer;
    // Expired, or gone.
    if (answer && answer.status < 500 && answer.status !== 429) return null;
  }
  return null;
}

function remembered(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function remember(key: string, id: string | null): void {
  try {
    if (id === null) localStorage.removeItem(key);
    else localStorage.setItem(key, id);
  } catch {
    // Then it begins anew in the next visit.
  }
}
