/** What hostile clients cost the share server: memory under readers that never read, waiting while hostile files are checked. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';

/** Resident memory of a process in MB; NaN where the system does not tell. */
export function residentMb(pid: number): number {
  if (process.platform !== 'linux') return Number.NaN;
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;
}

/** The most the server held, in MB, while so many clients had asked for a file and read nothing of it. */
export async function memoryUnderReaders(
  url: string,
  path: string,
  count: number,
  pid: number,
): Promise<number> {
  const { port, hostname } = new URL(url);
  const sockets: Socket[] = [];
  for (let at = 0; at < count; at++) {
    const socket = connect({ port: Number(port), host: hostname });
    socket.on('error', () => {}).pause();
    // Each somewhere else in the file.
    socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nRange: bytes=${at * 5000}-\r\n\r\n`);
    sockets.push(socket);
  }
  let most = 0;
  for (let at = 0; at < 50; at++) {
    most = Math.max(most, residentMb(pid));
    await wait(100);
  }
  for (const socket of sockets) socket.destroy();
  await wait(1000);
  return most;
}

const HOSTILE: Readonly<Record<string, (bytes: number) => string>> = {
  'an upload with many keys': (bytes) => `{${repeated(bytes, (at) => `"${at.toString(36)}":0`)}}`,
  'an upload with many tensors': (bytes) =>
    `{${repeated(bytes, (at) => `"t${at}":{"dtype":"F32","shape":[1],"data_offsets":[${4 * at},${4 * at + 4}]}`)}}`,
  'an upload with lists in lists': (bytes) =>
    `{"a":${'['.repeat(bytes / 2 - 8)}${']'.repeat(bytes / 2 - 8)}}`,
};
/** Just within what a header may have, and the size of one that kept everybody waiting for 2.3 s. */
const SIZES = [2 ** 19 - 200, 4 * 2 ** 20];

const TRIES = 3;

function repeated(bytes: number, one: (at: number) => string): string {
  const items: string[] = [];
  for (let length = 0; length < bytes - 100; length += items.at(-1)!.length + 1)
    items.push(one(items.length));
  return items.join(',');
}

/** The longest that another client waited for a small answer; half of it or more is this process's own work on the same cores. */
export async function waitsUnderHostileFiles(
  url: string,
): Promise<{ what: string; waitMs: number; quietMs: number }[]> {
  const found = [];
  for (const [what, make] of Object.entries(HOSTILE)) {
    for (const size of SIZES) {
      const header = new TextEncoder().encode(make(size));
      const bytes = new Uint8Array(8 + header.length);
      new DataView(bytes.buffer).setBigUint64(0, BigInt(header.length), true);
      bytes.set(header, 8);
      let [quietMs, waitMs] = [Infinity, Infinity];
      // Other work on the machine makes some tries worse, none better.
      for (let attempt = 0; attempt < TRIES; attempt++) {
        quietMs = Math.min(quietMs, await longestWait(url, () => wait(300)));
        waitMs = Math.min(waitMs, await longestWait(url, () => sendHostile(url, bytes)));
      }
      found.push({ what: `${what}, ${(size / 1e6).toFixed(1)} MB`, waitMs, quietMs });
    }
  }
  return found;
}

async function longestWait(url: string, work: () => Promise<unknown>): Promise<number> {
  let going = true;
  const ended = work().finally(() => {
    going = false;
  });
  const health = async () => {
    const started = performance.now();
    await (await fetch(`${url}/api/health`)).arrayBuffer();
    return performance.now() - started;
  };
  let longest = 0;
  do longest = Math.max(longest, await health());
  while (isGoing());
  await ended;
  return longest;

  function isGoing(): boolean {
    return going;
  }
}

async function sendHostile(url: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  const tus = { 'Tus-Resumable': '1.0.0' };
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const begun = await fetch(`${url}/api/adapters/uploads`, {
    method: 'POST',
    headers: { ...tus, 'Upload-Length': String(bytes.length), 'Upload-Metadata': `sha256 ${btoa(sha256)}` },
  });
  const ended = await fetch(new URL(begun.headers.get('location')!, url), {
    method: 'PATCH',
    headers: { ...tus, 'Upload-Offset': '0', 'Content-Type': 'application/offset+octet-stream' },
    body: bytes,
  });
  if (ended.status !== 422) throw new Error(`The hostile file was answered by ${ended.status}.`);
}
