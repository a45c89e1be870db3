/** `npm run bench:server`: loads the share server with autocannon; client and server share the machine's cores. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import autocannon from 'autocannon';
import { memoryUnderReaders, residentMb, waitsUnderHostileFiles } from './server-attacks.ts';
import { safetensorsHeader } from '../../src/model/weights/safetensors.ts';
import { SHARE_FORMAT_VERSION, type ShareManifest } from '../../src/share/share-manifest.ts';
import { createShare } from '../../src/share/share-client.ts';
import { parseArguments } from '../node/arguments.ts';

const USAGE = `usage: npm run bench:server -- [options]

Starts the share server on a free port over a temporary folder and loads it with autocannon from this process: the page, one
of its assets, a share, its adapter, at several numbers of connections. Prints requests per second, latencies and throughput; then
the server's memory under readers that never read, and how long others wait while hostile files are checked.

  --seconds N          how long each is loaded (default 10)
  --connections N,…    concurrent connections (default 50,200,1000)
  --readers N          clients that ask and never read (default 400)`;

const args = parseArguments(USAGE, {
  options: {
    seconds: { type: 'string', default: '10' },
    connections: { type: 'string', default: '50,200,1000' },
    readers: { type: 'string', default: '400' },
  },
});
const seconds = args.wholeNumber('seconds', 1);
const readers = args.wholeNumber('readers', 1);
const connectionCounts = args.values.connections.split(',').map(Number);
if (!connectionCounts.every((count) => Number.isSafeInteger(count) && count > 0))
  throw args.wrong('--connections takes whole numbers with commas between them.');

/** The size of what the practice table's fine-tuning makes. */
const ADAPTER_ROWS = 250_000;
const ASSET_BYTES = 280_000;

const folder = mkdtempSync(join(tmpdir(), 'openvla-bench-'));
const server = spawn(process.execPath, ['tools/node/run.mjs', 'server/main.ts'], {
  env: {
    ...process.env,
    PORT: '0',
    DATA_DIR: join(folder, 'data'),
    DIST_DIR: dist(),
    READS_PER_MINUTE: '1e9',
    WRITES_PER_MINUTE: '1e9',
    // All clients have one address here.
    MAX_CLIENT_CONNECTIONS: '1e9',
    MAX_CLIENT_UPLOADS: '1e9',
  },
  stdio: ['ignore', 'pipe', 'inherit'],
});
try {
  const url = await addressOf(createInterface({ input: server.stdout }));
  const adapter = adapterBytes();
  const sha256 = createHash('sha256').update(adapter).digest('hex');
  await upload(url, adapter, sha256);
  const { id } = await createShare(manifest(sha256, adapter.length), url);

  console.log(`${cpus().length} cores, ${cpus()[0]?.model ?? 'unknown CPU'}, Node ${process.version}`);
  console.log(`${seconds} s each; resident memory of the server in MB\n`);
  console.log('                     connections requests/s     p50 ms     p99 ms       MB/s     memory');
  for (const connections of connectionCounts) {
    const load = loading(connections, server.pid!);
    await load('page', `${url}/`);
    await load(`asset, ${ASSET_BYTES / 1000} kB`, `${url}/assets/index-abc.js`);
    await load('share', `${url}/api/shares/${id}`);
    await load(`adapter, ${(adapter.length / 1e6).toFixed(1)} MB`, `${url}/api/adapters/${sha256}`);
    await load('adapter, 64 kB of it', `${url}/api/adapters/${sha256}`, { Range: 'bytes=65536-131071' });
  }
  const most = await memoryUnderReaders(url, `/api/adapters/${sha256}`, readers, server.pid!);
  console.log(`\n${readers} readers that never read: ${most.toFixed(0)} MB at most`);
  for (const { what, waitMs, quietMs } of await waitsUnderHostileFiles(url))
    console.log(`${what}: others wait ${waitMs.toFixed(0)} ms at most (${quietMs.toFixed(0)} ms without)`);
} finally {
  server.kill();
  rmSync(folder, { recursive: true, force: true });
}

/** A built page of a few files. */
function dist(): string {
  const path = join(folder, 'dist');
  mkdirSync(join(path, 'assets'), { recursive: true });
  writeFileSync(join(path, 'index.html'), `<!doctype html><title>page</title>${' '.repeat(1000)}`);
  writeFileSync(join(path, 'assets', 'index-abc.js'), '/'.repeat(ASSET_BYTES));
  return path;
}

async function addressOf(lines: AsyncIterable<string>): Promise<string> {
  for await (const line of lines) {
    const url = /http:\S+/.exec(line)?.[0];
    if (url !== undefined) return url;
  }
  throw new Error('The server ended before it said where it is.');
}

function adapterBytes(): Uint8Array<ArrayBuffer> {
  const header = safetensorsHeader([{ name: 'lora_A.weight', dtype: 'F32', shape: [ADAPTER_ROWS, 4] }]);
  const bytes = new Uint8Array(header.length + ADAPTER_ROWS * 16);
  bytes.set(header);
  return bytes;
}

/** tus in two requests; the client of the page sends Blobs, which tus-js-client takes in browsers only. */
async function upload(url: string, bytes: Uint8Array<ArrayBuffer>, sha256: string): Promise<void> {
  const tus = { 'Tus-Resumable': '1.0.0' };
  const begun = await fetch(`${url}/api/adapters/uploads`, {
    method: 'POST',
    headers: { ...tus, 'Upload-Length': String(bytes.length), 'Upload-Metadata': `sha256 ${btoa(sha256)}` },
  });
  const ended = await fetch(new URL(begun.headers.get('location')!, url), {
    method: 'PATCH',
    headers: { ...tus, 'Upload-Offset': '0', 'Content-Type': 'application/offset+octet-stream' },
    body: bytes,
  });
  if (!ended.ok) throw new Error(`The upload failed: ${await ended.text()}`);
}

function manifest(sha256: string, bytes: number): ShareManifest {
  return {
    formatVersion: SHARE_FORMAT_VERSION,
    title: 'Bench',
    author: '',
    note: '',
    createdAt: new Date().toISOString(),
    policy: { name: 'practice', sha256: '0'.repeat(64), url: null },
    adapter: { sha256, bytes, url: null },
    scene: { view: 'table', task: 'can', seed: 1, instruction: 'lift the can', execute: 8, ensemble: false },
    training: null,
    success: [],
  };
}

function loading(connections: number, pid: number) {
  return async (what: string, url: string, headers: Record<string, string> = {}): Promise<void> => {
    const { requests, latency, throughput, non2xx, errors } = await autocannon({
      url,
      headers,
      connections,
      duration: seconds,
    });
    const numbers = [requests.average, latency.p50, latency.p99, throughput.average / 1e6, residentMb(pid)];
    const failed = non2xx + errors > 0 ? `   ${non2xx + errors} failed` : '';
    const columns = numbers.map((value) => value.toFixed(1).padStart(10));
    console.log(what.padEnd(22), String(connections).padStart(9), ...columns, failed);
  };
}
