import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { ErrorCode } from '../src/base/errors.ts';

/** What the API can refuse, beside the errors of the library. */
export type ApiErrorCode =
  | ErrorCode
  | 'not-found'
  | 'adapter-missing'
  | 'too-large'
  | 'too-many-requests'
  | 'unauthorized'
  | 'forbidden'
  | 'internal';

/** The body of every answer that is not a success. */
export interface ApiErrorBody {
  readonly error: { readonly code: ApiErrorCode; readonly message: string; readonly hint: string };
}

/** An answer of the API that is not a success: thrown anywhere, sent by the app as `ApiErrorBody`. */
export class HttpError extends Error {
  readonly status: ContentfulStatusCode;
  readonly code: ApiErrorCode;
  readonly hint: string;

  constructor(status: ContentfulStatusCode, code: ApiErrorCode, message: string, hint = '') {
    super(message);
    this.name = 'HttpError';
    this.status = status;
    this.code = code;
    this.hint = hint;
  }

  get body(): ApiErrorBody {
    return { error: { code: this.code, message: this.message, hint: this.hint } };
  }
}
