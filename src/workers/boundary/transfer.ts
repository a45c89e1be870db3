/** How values and errors cross the boundary. */
import * as Comlink from 'comlink';
import { ModelError } from '../../base/errors.ts';
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

/** comlink's own handler keeps only the message. Call once in the page and once in the worker, before the first call. */
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

/** Classes whose objects are moved; not every host has all of them. */
const MOVED = ['VideoFrame', 'ImageBitmap', 'OffscreenCanvas', 'MessagePort'] as const;

function isMoved(value: object): boolean {
  return MOVED.some((name) => {
    const type = (globalThis as Record<string, unknown>)[name] as (new () => object) | undefined;
    return type !== undefined && value instanceof type;
  });
}

/** Every buffer, frame and canvas in plain data. */
function movable(value: unknown, found: Set<Transferable>): Set<Transferable> {
  if (typeof value !== 'object' || value === null) return found;
  if (value instanceof ArrayBuffer || isMoved(value)) found.add(value as Transferable);
  else if (ArrayBuffer.isView(value)) movable(value.buffer, found);
  else if (Array.isArray(value)) {
    // Numbers and strings hold nothing; lists of them are long.
    if (typeof value[0] === 'object') for (const item of value) movable(item, found);
  } else if (Object.getPrototypeOf(value) === Object.prototype) {
    for (const item of Object.values(value)) movable(item, found);
  }
  return found;
}

/**
 * A value as it crosses: what can be moved is moved, so the sender can no longer read it afterwards; functions stay where they are
 * and are called from the other side.
 */
export function crossing<T>(value: T): T {
  if (typeof value === 'function') return Comlink.proxy(value);
  if (typeof value !== 'object' || value === null) return value;
  return Comlink.transfer(value, [...movable(value, new Set())]);
}

type Method = (...args: unknown[]) => unknown;

/**
 * Calls a method. Callbacks cross on ports of their own, on which a message may be overtaken by the answer: progress would be told of what is
 * done. So it answers when every callback it called has run.
 */
async function answerOf(method: Method, self: object, args: readonly unknown[]): Promise<unknown> {
  const running = new Set<Promise<unknown>>();
  const watched = args.map((arg) => {
    if (typeof arg !== 'function') return arg;
    return (...said: unknown[]): unknown => {
      const call: unknown = (arg as Method)(...said);
      if (!(call instanceof Promise)) return call;
      running.add(call);
      const end = () => running.delete(call);
      call.then(end, end);
      return call;
    };
  });
  try {
    return await method.apply(self, watched);
  } finally {
    await Promise.allSettled(running);
  }
}

/**
 * The worker's end: what its methods return crosses as `crossing` says, after whatever their callbacks were told; objects among its fields are
 * offered, too.
 */
export function offered<T extends object>(api: T): T {
  return new Proxy(api, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value === 'function') {
        return async (...args: unknown[]): Promise<unknown> =>
          crossing(await answerOf(value as Method, target, args));
      }
      return typeof value === 'object' && value !== null ? offered(value) : value;
    },
  });
}
