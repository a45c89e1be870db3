/** What can go wrong, as a closed list the page can branch on. */
export type ErrorCode =
  | 'bad-shape'
  | 'bad-file'
  | 'bad-package'
  | 'package-version'
  | 'bad-pickle'
  | 'missing-tensor'
  | 'missing-statistics'
  | 'unsupported'
  | 'download-failed'
  | 'upload-failed'
  | 'hash-mismatch'
  | 'storage-full'
  | 'no-webgpu'
  | 'device-lost'
  /** What draws the practice table lost its graphics; it comes back by itself, or not at all. */
  | 'drawing-lost'
  | 'out-of-memory'
  | 'cancelled'
  | 'diverged'
  | 'bad-input'
  /** What is asked has to wait until something else has ended. */
  | 'busy';

/**
 * The one error type of the library. `message` says what was found and what was expected, `hint` what
 * the user can do about it. Plain fields, so that it crosses a worker boundary as data.
 */
export class ModelError extends Error {
  readonly code: ErrorCode;
  readonly hint: string;

  constructor(code: ErrorCode, message: string, hint = '', options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'ModelError';
    this.code = code;
    this.hint = hint;
  }
}
