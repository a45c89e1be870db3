import { afterEach, expect, test, vi } from 'vitest';
import type { ClientError } from './client-guard.ts';
import { connectPolicyWorker } from './client.ts';

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

afterEach(() => vi.unstubAllGlobals());

function connect(): { client: ReturnType<typeof connectPolicyWorker>; crashes: ClientError[] } {
  vi.stubGlobal('Worker', SilentWorker);
  const crashes: ClientError[] = [];
  return { client: connectPolicyWorker((error) => crashes.push(error)), crashes };
}

test('a crash rejects what waits and what comes later, and is reported once', async () => {
  const { client, crashes } = connect();
  const waiting = client.inspect('https://example.org/manifest.json', 'auto');
  const error = Object.assign(new Event('error', { cancelable: true }), { message: 'unreachable executed' });
  SilentWorker.latest.dispatchEvent(error);
  await expect(waiting).rejects.toMatchObject({ code: 'worker-crashed' });
  await expect(client.dispose()).rejects.toMatchObject({ code: 'worker-crashed' });
  SilentWorker.latest.dispatchEvent(new Event('messageerror'));
  expect(crashes).toHaveLength(1);
  expect(crashes[0]?.message).toContain('unreachable executed');
  expect(SilentWorker.latest.terminated).toBe(true);
});

test('ending the worker on purpose is no crash', async () => {
  const { client, crashes } = connect();
  const waiting = client.adapters.list();
  client.terminate();
  await expect(waiting).rejects.toMatchObject({ code: 'worker-crashed' });
  expect(crashes).toEqual([]);
});

test('frames are moved to the worker, not copied', () => {
  const { client } = connect();
  const image = { width: 1, height: 1, data: new Uint8ClampedArray(4) };
  void client.preview([image]);
  expect(SilentWorker.latest.posted[0]?.transfer).toContain(image.data.buffer);
});
