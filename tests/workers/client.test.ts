import * as Comlink from 'comlink';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { ModelError } from '../../src/base/errors.ts';
import type { ClientError } from '../../src/workers/boundary/client-guard.ts';
import {
  connect,
  connectPolicyWorker,
  connectPracticeWorker,
  type Client,
} from '../../src/workers/boundary/client.ts';
import {
  crossing,
  installErrorTransfer,
  offered,
  toWorkerError,
} from '../../src/workers/boundary/transfer.ts';
import { nothing } from './tiny-host.ts';

/** A worker that takes messages and never answers. */
class SilentWorker extends EventTarget {
  static latest: SilentWorker;
  readonly posted: { message: unknown; transfer: Transferable[] }[] = [];
  terminated = false;
  constructor() {
    super();
    SilentWorker.latest = this;
  }
  postMessage(message: unknown, transfer: Transferable[] = []): void {
    this.posted.push({ message, transfer });
  }
  terminate(): void {
    this.terminated = true;
  }
}

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe('a worker that dies', () => {
  test.each([
    ['policy', connectPolicyWorker],
    ['table', connectPracticeWorker],
  ] as const)('rejects what waits and what comes later, and is reported once: %s', async (_, start) => {
    vi.stubGlobal('Worker', SilentWorker);
    const crashes: ClientError[] = [];
    const client = start((error) => crashes.push(error));
    const waiting = 'load' in client ? client.dispose() : client.observe();
    const error = Object.assign(new Event('error', { cancelable: true }), {
      message: 'unreachable executed',
    });
    SilentWorker.latest.dispatchEvent(error);
    await expect(waiting).rejects.toMatchObject({ code: 'worker-crashed' });
    SilentWorker.latest.dispatchEvent(new Event('messageerror'));
    expect(crashes).toHaveLength(1);
    expect(crashes[0]?.message).toContain('unreachable executed');
    expect(SilentWorker.latest.terminated).toBe(true);
  });

  test('without a message, or with one that cannot be read, says what is known', async () => {
    vi.stubGlobal('Worker', SilentWorker);
    const crashes: ClientError[] = [];
    connectPolicyWorker((error) => crashes.push(error));
    SilentWorker.latest.dispatchEvent(new Event('error'));
    connectPolicyWorker((error) => crashes.push(error));
    SilentWorker.latest.dispatchEvent(new Event('messageerror'));
    expect(crashes.map(({ message }) => message)).toEqual([
      expect.stringContaining('ran out of memory'),
      expect.stringContaining('could not be read'),
    ]);
  });

  test('on purpose has not crashed', async () => {
    vi.stubGlobal('Worker', SilentWorker);
    const crashes: ClientError[] = [];
    const client = connectPolicyWorker((error) => crashes.push(error));
    const waiting = client.adapters.list();
    client.terminate();
    await expect(waiting).rejects.toMatchObject({ code: 'worker-crashed' });
    await expect(client.training.runs()).rejects.toMatchObject({ code: 'worker-crashed' });
    expect(crashes).toEqual([]);
  });
});

interface Api {
  readonly inner: { double(n: number): Promise<number> };
  images(count: number): Promise<{ data: Uint8ClampedArray; width: number }[]>;
  sum(of: { numbers: Float32Array; more: { at: ArrayBuffer }[] }): Promise<number>;
  count(to: number, onStep: (n: number) => void): Promise<string>;
  fail(how: 'model' | 'other' | 'text'): Promise<void>;
  bytes(): Promise<Uint8Array>;
}

/** Kept by the worker to see whether it was moved or copied. */
let given: ArrayBuffer[] = [];

class Host implements Api {
  readonly #factor = 2;
  readonly inner = { double: async (n: number) => n * this.#factor };

  async images(count: number) {
    given = Array.from({ length: count }, () => new ArrayBuffer(4));
    return given.map((buffer) => ({ data: new Uint8ClampedArray(buffer), width: 1 }));
  }

  async sum({ numbers, more }: Parameters<Api['sum']>[0]) {
    return numbers.reduce((sum, n) => sum + n, 0) + more.reduce((sum, { at }) => sum + at.byteLength, 0);
  }

  async count(to: number, onStep: (n: number) => void) {
    for (let n = 1; n <= to; n++) onStep(n);
    return 'done';
  }

  async fail(how: 'model' | 'other' | 'text') {
    if (how === 'model') throw new ModelError('busy', 'Wait.', 'A moment.');
    if (how === 'other') throw new TypeError('undefined is not a function');
    // eslint-disable-next-line no-throw-literal
    throw 'just text';
  }

  async bytes() {
    const bytes = new Uint8Array(4);
    given = [bytes.buffer];
    return bytes;
  }
}

const crashed = (detail: string): ClientError => ({ code: 'worker-crashed', message: detail, hint: '' });

/** A host behind a real message channel, as behind a worker. */
function connected(): { readonly client: Client<Api>; readonly close: () => void } {
  const { port1, port2 } = new MessageChannel();
  installErrorTransfer();
  Comlink.expose(offered(new Host()), port1);
  port2.start();
  const worker = Object.assign(port2, { terminate: () => port2.close() }) as unknown as Worker;
  const client = connect<Api>(worker, crashed, nothing);
  return { client, close: () => port1.close() };
}

describe('the boundary', () => {
  test('calls methods, also of objects inside, and may be awaited itself', async () => {
    const { client, close } = connected();
    expect(await client.inner.double(21)).toBe(42);
    expect(await Promise.resolve(client)).toBe(client);
    close();
  });

  test('moves what can be moved, in both directions, however deep it lies', async () => {
    const { client, close } = connected();
    const numbers = Float32Array.of(1, 2, 3);
    const at = new ArrayBuffer(8);
    expect(await client.sum({ numbers, more: [{ at }, { at }] })).toBe(6 + 16);
    expect([numbers.byteLength, at.byteLength]).toEqual([0, 0]);
    const images = await client.images(2);
    expect(images.map(({ data }) => data.length)).toEqual([4, 4]);
    expect(given.map(({ byteLength }) => byteLength)).toEqual([0, 0]);
    expect(await client.bytes()).toHaveLength(4);
    expect(given[0]!.byteLength).toBe(0);
    close();
  });

  test('calls back, and answers when every callback has run', async () => {
    const { client, close } = connected();
    const steps: number[] = [];
    expect(await client.count(3, (n) => steps.push(n))).toBe('done');
    expect(steps).toEqual([1, 2, 3]);
    close();
  });

  test('waits for callbacks that take their time or fail, also before it rejects', async () => {
    let done = 0;
    const slow = async () => {
      await new Promise((later) => setTimeout(later));
      done++;
      throw new Error('The page could not draw it.');
    };
    const api = offered({
      work: async (onStep: () => Promise<void>) => {
        onStep().catch(nothing);
        throw new Error('The disk is full.');
      },
    });
    await expect(api.work(slow)).rejects.toThrow('The disk is full.');
    expect(done).toBe(1);
  });

  test('passes errors on as code, message and hint', async () => {
    const { client, close } = connected();
    vi.spyOn(console, 'error').mockImplementation(nothing);
    await expect(client.fail('model')).rejects.toMatchObject({
      code: 'busy',
      message: 'Wait.',
      hint: 'A moment.',
    });
    expect(console.error).not.toHaveBeenCalled();
    await expect(client.fail('other')).rejects.toMatchObject({
      code: 'unknown',
      message: 'undefined is not a function',
      hint: '',
    });
    await expect(client.fail('text')).rejects.toMatchObject({ code: 'unknown', message: 'just text' });
    expect(console.error).toHaveBeenCalledTimes(2);
    close();
  });

  test('frames and canvases are moved where there are any', () => {
    class ImageBitmap {
      readonly width = 1;
    }
    vi.stubGlobal('ImageBitmap', ImageBitmap);
    vi.stubGlobal('Worker', SilentWorker);
    const client = connectPolicyWorker(nothing);
    const bitmap = new ImageBitmap() as unknown as globalThis.ImageBitmap;
    void client.preview([bitmap]).catch(nothing);
    expect(SilentWorker.latest.posted[0]?.transfer).toEqual([bitmap]);
  });

  test('what holds nothing crosses as it is', () => {
    for (const value of [1, 'text', null, undefined, true]) expect(crossing(value)).toBe(value);
    const shared = new SharedArrayBuffer(4);
    expect(crossing({ view: new Uint8Array(shared) }).view.buffer).toBe(shared);
    expect(toWorkerError(new Error('x'))).toEqual({ code: 'unknown', message: 'x', hint: '' });
  });
});
