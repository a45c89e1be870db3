/** How much one client, and all of them, can leave on a server. */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { sampleAdapter, sampleManifest } from './samples.ts';
import { startServer, type TestServer } from './start-server.ts';
import { beginUpload, sendBytes } from './tus.ts';

const DAY = 86_400_000;

async function publish(
  server: TestServer,
  client: string,
): Promise<{ status: number; id: string; token: string }> {
  const answer = await fetch(`${server.url}/api/shares`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-Forwarded-For': client },
    body: JSON.stringify(sampleManifest(null)),
  });
  return { status: answer.status, ...((await answer.json()) as { id: string; token: string }) };
}

const exists = async ({ url }: TestServer, id: string) => (await fetch(`${url}/api/shares/${id}`)).ok;

describe('shares', () => {
  it('of one client are limited in number, through a restart too, and deleting makes room', async () => {
    const limits = { clientShares: 2 };
    const first = await startServer({ limits, trustedProxies: 1 });
    await publish(first, '1.1.1.1');
    await first.close();
    const server = await startServer({ dataFolder: join(first.folder, 'data'), limits, trustedProxies: 1 });
    const made = await publish(server, '1.1.1.1');
    expect(made.status).toBe(201);
    expect((await publish(server, '1.1.1.1')).status).toBe(507);
    expect((await publish(server, '2.2.2.2')).status).toBe(201);
    const headers = { Authorization: `Bearer ${made.token}` };
    await fetch(`${server.url}/api/shares/${made.id}`, { method: 'DELETE', headers });
    expect((await publish(server, '1.1.1.1')).status).toBe(201);
  });

  it.each([
    ['number', { shares: 2 }],
    ['bytes', { sharesBytes: 2000 }],
  ])('of all clients are limited in %s', async (_, limits) => {
    const server = await startServer({ limits, trustedProxies: 1 });
    const statuses = [];
    for (let at = 0; at < 3; at++) statuses.push((await publish(server, `1.1.1.${at}`)).status);
    expect(statuses).toEqual([201, 201, 507]);
  });

  it('go when they are old', async () => {
    const server = await startServer({ limits: { shareAgeMs: 30 * DAY } });
    const { id } = await publish(server, '1.1.1.1');
    await server.sweep();
    expect(await exists(server, id)).toBe(true);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 31 * DAY });
    try {
      await server.sweep();
    } finally {
      vi.useRealTimers();
    }
    expect(await exists(server, id)).toBe(false);
    expect(filesOf(server)).toEqual(['server/client-key']);
  });

  it('from before clients were counted are counted, and stay', async () => {
    const first = await startServer();
    const { id } = await publish(first, '1.1.1.1');
    await first.close();
    rmSync(join(first.folder, 'data', 'files', 'ledger'), { recursive: true });
    const server = await startServer({ dataFolder: join(first.folder, 'data'), limits: { shares: 1 } });
    await server.sweep();
    expect(await exists(server, id)).toBe(true);
    expect((await publish(server, '2.2.2.2')).status).toBe(507);
  });

  it('are stored without the address of who made them', async () => {
    const server = await startServer({ trustedProxies: 1 });
    await publish(server, '203.0.113.77');
    const files = filesOf(server);
    expect(files.join()).not.toContain('203.0.113.77');
    for (const file of files)
      expect(readFileSync(join(server.folder, 'data', 'files', file), 'latin1')).not.toContain(
        '203.0.113.77',
      );
  });
});

it('adapters of one client are limited in bytes, shared or not', async () => {
  const [one, two] = [sampleAdapter(1, 2000), sampleAdapter(2, 2000)];
  const limits = { clientBytes: one.bytes.length * 1.5 };
  const server = await startServer({ limits, trustedProxies: 1 });
  const bring = async ({ bytes, sha256 }: typeof one, client: string) => {
    const headers = { 'X-Forwarded-For': client };
    const { answer, address } = await beginUpload(server.url, sha256, bytes.length, headers);
    return answer.ok ? (await sendBytes(address, 0, bytes)).status : answer.status;
  };
  expect(await bring(one, '1.1.1.1')).toBe(204);
  expect(await bring(two, '1.1.1.1')).toBe(507);
  expect(await bring(two, '2.2.2.2')).toBe(204);
});

/** Paths of what is stored. */
function filesOf({ folder }: TestServer): string[] {
  const files = join(folder, 'data', 'files');
  return readdirSync(files, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(files.length + 1));
}
