/** What both ways of an upload have in common. */
import { ModelError } from '../base/errors.ts';

/** Waits after failures in a row; half a minute without a connection is survived, more can be resumed by hand. */
export const RETRY_DELAYS_MS = [0, 1000, 3000, 8000, 20_000];

export interface UploadOptions {
  readonly signal?: AbortSignal;
  /** Bytes that are on the server, of all. */
  readonly onProgress?: (sentBytes: number, totalBytes: number) => void;
  /** The line broke; it is tried again. `onProgress` tells when it is back. */
  readonly onRetry?: () => void;
  /** Origin of the server; '' is the one the page came from. */
  readonly server?: string;
}

export function unreachable(cause?: unknown): ModelError {
  return new ModelError(
    'download-failed',
    'The share server cannot be reached.',
    'Check the connection and try again; an upload goes on where it stopped.',
    { cause },
  );
}
