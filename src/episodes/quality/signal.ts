import { ModelError } from '../../base/errors.ts';

/** @throws ModelError `cancelled` */
export function checkSignal(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new ModelError('cancelled', 'The review of the demonstrations was cancelled.');
}
