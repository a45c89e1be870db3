/** Uploads straight to a bucket, by hand. */
import type { DirectAddresses } from '../../server/direct-uploads.ts';

export function beginDirect(server: string, sha256: string, bytes: number): Promise<Response> {
  return fetch(`${server}/api/adapters/direct`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ sha256, bytes }),
  });
}

/** The status of each part's answer; 0 where the bucket hung up, as it may on who sends what it refuses. */
export async function putParts(
  { parts }: DirectAddresses,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<readonly number[]> {
  return Promise.all(
    parts.map(({ offset, bytes: length, url }) =>
      fetch(url, { method: 'PUT', body: bytes.subarray(offset, offset + length) }).then(
        ({ status }) => status,
        () => 0,
      ),
    ),
  );
}

export function completeDirect(server: string, id: string): Promise<Response> {
  return fetch(`${server}/api/adapters/direct/${id}/complete`, { method: 'POST' });
}

/** A whole upload; the answer to its completion. */
export async function uploadDirect(
  server: string,
  bytes: Uint8Array<ArrayBuffer>,
  sha256: string,
): Promise<Response> {
  const answer = await beginDirect(server, sha256, bytes.length);
  if (answer.status !== 201) return answer;
  const addresses = (await answer.json()) as DirectAddresses;
  await putParts(addresses, bytes);
  return completeDirect(server, addresses.id);
}
