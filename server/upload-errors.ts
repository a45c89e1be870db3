import { HttpError } from './http-error.ts';

/** What the tus library refuses comes as plain text, what we refuse inside it as JSON. */
export function tusError(status: number, text: string): HttpError {
  const known = status as ConstructorParameters<typeof HttpError>[0];
  try {
    const { error } = JSON.parse(text) as HttpError['body'];
    return new HttpError(known, error.code, error.message, error.hint);
  } catch {
    if (status === 413) return tooLarge();
    if (status === 404 || status === 410) return uploadNotFound();
    if (status >= 500) {
      console.error(`upload: ${text}`);
      return new HttpError(known, 'internal', 'The upload could not be written.', 'Try again.');
    }
    return new HttpError(known, 'bad-input', `The upload protocol was not kept: ${text.trim()}.`);
  }
}

export function tooLarge(): HttpError {
  return new HttpError(
    413,
    'too-large',
    'The adapter is larger than this server takes.',
    'Train with a lower rank, or host the file elsewhere.',
  );
}

export function storageFull(): HttpError {
  return new HttpError(
    507,
    'storage-full',
    'This server has no room for another adapter.',
    'Try again later, or share as a file.',
  );
}

export function clientFull(what: string): HttpError {
  return new HttpError(
    507,
    'storage-full',
    `${what} There is no room for more.`,
    'Wait until they are finished or have expired, or share as a file.',
  );
}

export function uploadNotFound(): HttpError {
  return new HttpError(404, 'not-found', 'This upload no longer exists.', 'Begin the upload again.');
}

/** @throws HttpError 400 where an upload does not say what will come */
export function checkAnnouncement(sha256: string, size: number | undefined): void {
  if (!/^[0-9a-f]{64}$/.test(sha256))
    throw new HttpError(400, 'bad-input', 'The upload does not name the SHA-256 of the adapter.');
  if (size === undefined || size < 1)
    throw new HttpError(400, 'bad-input', 'The upload does not say how many bytes will come.');
}
