/** The page's end of a worker: starts it, and turns its crash into an error of every call that was waiting. */
import * as Comlink from 'comlink';
import { guardWorker, type ClientError } from './client-guard.ts';
import type { PolicyWorker } from './contract.ts';
import type { ConvertWorker } from './contract-convert.ts';
import type { PracticeWorker } from './contract-practice.ts';
import { crossing, installErrorTransfer } from './transfer.ts';

export type Client<T> = T & {
  /** Ends the worker at once, without freeing what it holds: for after a crash. Waiting calls reject. */
  terminate(): void;
};

export type PolicyClient = Client<PolicyWorker>;
export type PracticeClient = Client<PracticeWorker>;
export type ConvertClient = Client<ConvertWorker>;

installErrorTransfer();

type Call = (...args: unknown[]) => Promise<unknown>;

/**
 * A worker's interface `T`, every method of which returns a promise. Arguments cross as `crossing` says.
 * @param onCrash called once, when the worker dies by itself; calls that were waiting reject with a `ClientError` of code
 *   `worker-crashed`, and so does every later call
 */
export function connect<T extends object>(
  worker: Worker,
  crashed: (detail: string) => ClientError,
  onCrash: (error: ClientError) => void,
): Client<T> {
  const { guard, terminate } = guardWorker(worker, crashed, onCrash);
  const reach = (remote: object, own: Readonly<Record<string, unknown>>): object =>
    new Proxy((): void => undefined, {
      get: (_, name) => {
        // A client is not a promise, whatever `await` asks it.
        if (typeof name === 'symbol' || name === 'then') return undefined;
        return Object.hasOwn(own, name) ? own[name] : reach(Reflect.get(remote, name) as object, {});
      },
      apply: (_target, _self, args: unknown[]) => guard(() => (remote as Call)(...args.map(crossing))),
    });
  return reach(Comlink.wrap(worker), { terminate }) as Client<T>;
}

const policyCrashed = (detail: string): ClientError => ({
  code: 'worker-crashed',
  message: `The worker that runs the policy stopped: ${detail}.`,
  hint: 'Restart it. The policy is stored on this device and is not downloaded again.',
});

const tableCrashed = (detail: string): ClientError => ({
  code: 'worker-crashed',
  message: `The practice table stopped: ${detail}.`,
  hint: 'Open it again. Nothing else on the page is affected.',
});

/** Starts the worker that owns the device, the policy and the stored packages. */
export function connectPolicyWorker(onCrash: (error: ClientError) => void): PolicyClient {
  // In one expression: so the bundler knows a worker.
  const worker = new Worker(new URL('../policy/policy-worker.ts', import.meta.url), {
    type: 'module',
    name: 'policy',
  });
  return connect(worker, policyCrashed, onCrash);
}

/** Starts the worker that owns the practice table. */
export function connectPracticeWorker(onCrash: (error: ClientError) => void): PracticeClient {
  const worker = new Worker(new URL('../practice/practice-worker.ts', import.meta.url), {
    type: 'module',
    name: 'practice',
  });
  return connect(worker, tableCrashed, onCrash);
}

const converterCrashed = (detail: string): ClientError => ({
  code: 'worker-crashed',
  message: `The conversion stopped: ${detail}.`,
  hint: 'Go on: what was converted is stored on this device.',
});

/** Starts the worker that makes packages of checkpoints. */
export function connectConvertWorker(onCrash: (error: ClientError) => void): ConvertClient {
  const worker = new Worker(new URL('../convert/convert-worker.ts', import.meta.url), {
    type: 'module',
    name: 'convert',
  });
  return connect(worker, converterCrashed, onCrash);
}
