/** Clients that ask for adapters and do not read them. */
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { describe, expect, it, vi } from 'vitest';
import { sampleAdapter } from './samples.ts';
import { spawnServer } from './spawn-server.ts';
import { sha256Of, startServer } from './start-server.ts';
import { upload } from './tus.ts';

const READERS = 400;

interface SlowReader {
  readonly socket: Socket;
  /** Reads on; whether the server has cut it. */
  readonly wasCut: () => Promise<boolean>;
}

/** Asks and reads nothing. */
async function slowReader(url: string, path: string, range = ''): Promise<SlowReader> {
  const { port, hostname } = new URL(url);
  const socket = connect({ port: Number(port), host: hostname });
  let bytes = 0;
  socket.on('error', () => {}).on('data', (data) => (bytes += data.length));
  socket.pause();
  const ended = new Promise<void>((done) => socket.once('close', () => done()));
  await new Promise((done) => socket.once('connect', done));
  const head = `GET ${path} HTTP/1.1\r\nHost: x\r\n${range === '' ? '' : `Range: ${range}\r\n`}\r\n`;
  await new Promise((done) => socket.write(head, done));
  const wasCut = async () => {
    socket.resume();
    await Promise.race([ended, wait(1000)]);
    const cut = socket.destroyed && bytes < adapter.bytes.length;
    socket.destroy();
    return cut;
  };
  return { socket, wasCut };
}

/** Resident memory of a process in MB. */
function residentMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;
}

const wait = (ms: number) => new Promise((done) => setTimeout(done, ms));

const adapter = sampleAdapter(1, 250_000);
const path = `/api/adapters/${adapter.sha256}`;

describe('readers that never read', () => {
  it.skipIf(process.platform !== 'linux')(
    `are ${READERS} at once in less than 400 MB, and others are served meanwhile`,
    async () => {
      const server = await spawnServer({ MAX_CLIENT_CONNECTIONS: '1000' });
      await upload(server.url, adapter.bytes, adapter.sha256);
      const readers = await Promise.all(
        Array.from({ length: READERS }, (_, at) => slowReader(server.url, path, `bytes=${at * 10_000}-`)),
      );
      let most = 0;
      for (let at = 0; at < 20; at++) {
        most = Math.max(most, residentMb(server.process.pid!));
        await wait(100);
      }
      const answer = await fetch(server.url + path);
      expect(sha256Of(new Uint8Array(await answer.arrayBuffer()))).toBe(adapter.sha256);
      for (const { socket } of readers) socket.destroy();
      server.process.kill('SIGKILL');
      await server.ended;
      expect(most).toBeLessThan(400);
    },
    60_000,
  );

  it('are cut after a while, and readers that take their time are not', async () => {
    const server = await startServer({ limits: { writeIdleMs: 2000 } });
    await upload(server.url, adapter.bytes, adapter.sha256);
    const slow = await slowReader(server.url, path);
    const answer = await fetch(server.url + path);
    const reader = answer.body!.getReader();
    let bytes = 0;
    const started = Date.now();
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      bytes += next.value.length;
      // Five seconds for all of it.
      await wait((bytes / adapter.bytes.length) * 5000 - (Date.now() - started));
    }
    expect(bytes).toBe(adapter.bytes.length);
    expect(Date.now() - started).toBeGreaterThan(4500);
    expect(await slow.wasCut()).toBe(true);
  });

  it('are cut when more waits for them than the server keeps', async () => {
    const server = await startServer({ limits: { bufferedBytes: 400_000 } });
    await upload(server.url, adapter.bytes, adapter.sha256);
    const readers = await Promise.all(Array.from({ length: 12 }, () => slowReader(server.url, path)));
    await wait(2000);
    // The server looks every so often; on a busy machine later.
    await vi.waitFor(
      () => {
        expect(server.bufferedBytes()).toBeGreaterThan(0);
        expect(server.bufferedBytes()).toBeLessThanOrEqual(400_000);
      },
      { timeout: 30_000, interval: 200 },
    );
    const cut = await Promise.all(readers.map(({ wasCut }) => wasCut()));
    expect(cut.filter(Boolean).length).toBeGreaterThanOrEqual(8);
  });

  it('have so many connections and no more, of one address and by proxy', async () => {
    const direct = await startServer({ limits: { clientConnections: 3 } });
    await upload(direct.url, adapter.bytes, adapter.sha256);
    await wait(100);
    const readers = await Promise.all(Array.from({ length: 6 }, () => slowReader(direct.url, path)));
    await wait(300);
    // Those that brought the adapter may still be there.
    const cut = await Promise.all(readers.map(({ wasCut }) => wasCut()));
    expect(cut.filter(Boolean).length).toBeGreaterThanOrEqual(3);
    expect(cut.filter(Boolean).length).toBeLessThan(6);

    const proxied = await startServer({ limits: { clientConnections: 3 }, trustedProxies: 1 });
    await upload(proxied.url, adapter.bytes, adapter.sha256);
    const ask = (client: string) => fetch(proxied.url + path, { headers: { 'X-Forwarded-For': client } });
    const answers = [await ask('1.1.1.1'), await ask('1.1.1.1'), await ask('1.1.1.1'), await ask('1.1.1.1')];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429]);
    const other = await ask('2.2.2.2');
    expect(other.status).toBe(200);
    for (const { body } of [...answers, other]) await body?.cancel();
    await wait(200);
    const again = await ask('1.1.1.1');
    expect(again.status).toBe(200);
    await again.body?.cancel();
  });
});
