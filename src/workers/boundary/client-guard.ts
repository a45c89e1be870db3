/** A worker whose calls end when it dies: comlink alone would leave them waiting for ever. */
import type { WorkerError } from './contract.ts';

/** What a call can reject with: the worker's own errors, and the worker having died. */
export interface ClientError extends Omit<WorkerError, 'code'> {
  code: WorkerError['code'] | 'worker-crashed';
}

export interface Guard {
  /** Passes on a call's answer; rejects with code `worker-crashed` when the worker dies first. */
  <T>(call: () => Promise<T>): Promise<T>;
}

/**
 * Watches a worker. `onCrash` is called once, when it dies by itself; calls that were waiting reject, and so does every
 * later call.
 * @param crashed the error in the user's words, given what is known of the cause
 */
export function guardWorker(
  worker: Worker,
  crashed: (detail: string) => ClientError,
  onCrash: (error: ClientError) => void,
): { readonly guard: Guard; readonly terminate: () => void } {
  const waiting = new Set<(error: ClientError) => void>();
  let dead: ClientError | null = null;
  const end = (error: ClientError, report: boolean): void => {
    if (dead) return;
    dead = error;
    worker.terminate();
    for (const reject of waiting) reject(error);
    waiting.clear();
    if (report) onCrash(error);
  };
  worker.addEventListener('error', (event) => {
    event.preventDefault();
    end(crashed(event.message || 'its script could not be loaded or it ran out of memory'), true);
  });
  worker.addEventListener('messageerror', () => {
    end(crashed('it sent a message that could not be read'), true);
  });
  return {
    guard: (call) =>
      new Promise((resolve, reject: (reason: unknown) => void) => {
        if (dead) {
          reject(dead);
          return;
        }
        waiting.add(reject);
        call()
          .then(resolve, reject)
          .finally(() => waiting.delete(reject));
      }),
    terminate: () => end(crashed('it was ended by the page'), false),
  };
}
