/** How errors cross the boundary. comlink's own handler keeps only the message, so it is replaced on both sides. */
import * as Comlink from 'comlink';
import { ModelError } from '../model/errors.ts';
import type { WorkerError } from './contract.ts';

interface Thrown {
  value: unknown;
}

/** Any thrown value as plain fields. */
export function toWorkerError(error: unknown): WorkerError {
  if (error instanceof ModelError) return { code: error.code, message: error.message, hint: error.hint };
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'unknown', message, hint: '' };
}

/** Call once in the page and once in the worker, before the first call. */
export function installErrorTransfer(): void {
  const standard = Comlink.transferHandlers.get('throw');
  if (!standard) throw new Error('comlink has no "throw" handler to replace.');
  Comlink.transferHandlers.set('throw', {
    canHandle: (value: unknown): value is unknown => standard.canHandle(value),
    serialize: (thrown: unknown) => {
      const { value } = thrown as Thrown;
      if (!(value instanceof ModelError)) console.error(value);
      return [toWorkerError(value), []];
    },
    deserialize: (error: unknown) => {
      // Thrown as an Error too, so that a debugger shows where; the fields are what the page reads.
      throw Object.assign(new Error((error as WorkerError).message), error);
    },
  });
}
