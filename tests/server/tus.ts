/** The tus protocol by hand, so that tests can stop anywhere in it and send what no client would. */
const TUS = { 'Tus-Resumable': '1.0.0' };

export interface BegunUpload {
  readonly answer: Response;
  /** Absolute; '' when the server refused. */
  readonly address: string;
}

export async function beginUpload(
  server: string,
  sha256: string,
  bytes: number | string,
  headers: Record<string, string> = {},
): Promise<BegunUpload> {
  const answer = await fetch(`${server}/api/adapters/uploads`, {
    method: 'POST',
    headers: {
      ...headers,
      ...TUS,
      'Upload-Length': String(bytes),
      'Upload-Metadata': `sha256 ${btoa(sha256)}`,
    },
  });
  const location = answer.headers.get('location');
  return { answer, address: location === null ? '' : new URL(location, server).href };
}

export function sendBytes(
  address: string,
  offset: number,
  body: Uint8Array<ArrayBuffer> | ReadableStream,
): Promise<Response> {
  const headers = {
    ...TUS,
    'Upload-Offset': String(offset),
    'Content-Type': 'application/offset+octet-stream',
  };
  return fetch(address, { method: 'PATCH', headers, body, duplex: 'half' } as RequestInit);
}

/** Bytes the server has of an upload; null when it has no such upload. */
export async function offsetOf(address: string): Promise<number | null> {
  const answer = await fetch(address, { method: 'HEAD', headers: TUS });
  return answer.ok ? Number(answer.headers.get('upload-offset')) : null;
}

/** A whole upload in one request; the answer to its bytes. */
export async function upload(
  server: string,
  bytes: Uint8Array<ArrayBuffer>,
  sha256: string,
): Promise<Response> {
  const { answer, address } = await beginUpload(server, sha256, bytes.length);
  return answer.ok ? sendBytes(address, 0, bytes) : answer;
}
