/** Sends an adapter to the bucket of a share server by itself, part by part, by addresses that the server signs. */
import * as v from 'valibot';
import { sleep } from '../base/sleep.ts';
import { RETRY_DELAYS_MS, unreachable, type UploadOptions } from './uploads.ts';

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

/**
 * Whether the adapter is on the server now. False where this way cannot be gone: the server refuses to begin, or nothing reaches the bucket from
 * this page. An upload that was interrupted goes on where it stopped, in a later visit too.
 * @returns the server's refusal of what was sent, to be told
 * @throws ModelError `download-failed` when the line breaks after something has arrived; what `signal` was aborted with
 */
export async function uploadDirect(
  blob: Blob,
  sha256: string,
  { signal, onProgress, onRetry, server = '' }: UploadOptions,
): Promise<boolean | Response> {
  const kept = `openvla-direct-${server}-${sha256}`;
  const at = `${server}/api/adapters/direct`;
  const init = { ...(signal && { signal }) };
  const earlier = remembered(kept);
  const begun =
    (earlier && (await addressesOf(`${at}/${earlier}`, init))) ||
    (await addressesOf(at, {
      ...init,
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ sha256, bytes: blob.size }),
    }));
  if (!begun) return false;
  remember(kept, begun.id);
  const again = () => addressesOf(`${at}/${begun.id}`, init);
  if (!(await sendParts(blob, begun, again, { signal, onProgress, onRetry }))) return false;
  const answer = await repeated(`${at}/${begun.id}/complete`, { ...init, method: 'POST' }, onRetry);
  if (!answer) return false;
  remember(kept, null);
  return answer.ok || answer;
}

/**
 * @param again asks for addresses of what is missing, since those that were given expire
 * @returns false where nothing has ever arrived
 */
async function sendParts(
  blob: Blob,
  begun: Addresses,
  again: () => Promise<Addresses | null>,
  { signal, onProgress, onRetry }: UploadOptions,
): Promise<boolean> {
  let { parts } = begun;
  const sentBytes = () => blob.size - parts.reduce((sum, { bytes }) => sum + bytes, 0);
  // What arrived in an earlier visit went this way, too.
  let worked = sentBytes() > 0;
  let renewed = false;
  while (parts.length > 0) {
    onProgress?.(sentBytes(), blob.size);
    const [{ offset, bytes, url }] = parts as [Addresses['parts'][number]];
    const body = blob.slice(offset, offset + bytes);
    if (await repeated(url, { method: 'PUT', body, ...(signal && { signal }) }, onRetry)) {
      parts = parts.slice(1);
      worked = true;
      renewed = false;
      continue;
    }
    if (!worked) return false;
    const others = renewed ? null : await again();
    if (!others) throw unreachable();
    ({ parts } = others);
    renewed = true;
  }
  onProgress?.(blob.size, blob.size);
  return true;
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
      await sleep(delayMs, init.signal ?? undefined);
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
