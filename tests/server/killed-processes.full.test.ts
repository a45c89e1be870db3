/**
 * Three server processes over one bucket of a real S3 implementation, by a line that loses packets; they are killed at random moments while
 * clients upload, share and delete. What was acknowledged is all there afterwards.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { beforeAll, expect, it } from 'vitest';
import type { DirectAddresses } from '../../server/direct-uploads.ts';
import { Random } from '../../src/base/random.ts';
import type { ShareManifest } from '../../src/share/share-manifest.ts';
import { buildServer } from './built-server.ts';
import { beginDirect, completeDirect, putParts } from './direct.ts';
import { flakyLine } from './flaky-line.ts';
import { findImplementation, HOW_TO_GET_ONE, startBucket } from './real-bucket.ts';
import { sampleAdapter, sampleManifest, type SampleAdapter } from './samples.ts';
import { fakeDist, onCleanUp, sha256Of, startServer, temporaryFolder } from './start-server.ts';
import { upload } from './tus.ts';

const KILLS = Number(process.env['KILLS'] ?? 20);
const PROCESSES = 3;
const CLIENTS = 4;
/** Few adapters, whose last shares are deleted by some while others make the next one. */
const COMMON = [1, 2, 3].map((seed) => sampleAdapter(seed, 200 * seed));

const implementation = findImplementation();
if (implementation === null) console.warn(`SKIPPED: ${HOW_TO_GET_ONE}`);

const folder = temporaryFolder();

let main = '';
beforeAll(async () => {
  main = await buildServer(folder);
}, 120_000);

/** A process that is started again each time it is killed. */
class Process {
  url = '';
  readonly #env: Record<string, string>;
  #child: ChildProcess | null = null;

  constructor(index: number, storage: object) {
    this.#env = {
      PORT: '0',
      DATA_DIR: join(folder, `data-${index}`),
      DIST_DIR: fakeDist(folder),
      STORAGE: 's3',
      STORAGE_OPTIONS: JSON.stringify(storage),
      DIRECT_UPLOADS: '1',
      ADAPTER_READS: index === 0 ? 'bucket' : 'server',
      // What was left over goes after a minute.
      UPLOAD_EXPIRY_HOURS: '0.02',
      MAX_CLIENT_UPLOADS: '1000',
      READS_PER_MINUTE: '1000000',
      WRITES_PER_MINUTE: '1000000',
      MAX_CLIENT_SHARES: '100000',
    };
  }

  async start(): Promise<void> {
    const child = spawn(process.execPath, [main], {
      env: { ...process.env, ...this.#env },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    this.#child = child;
    for await (const line of createInterface({ input: child.stdout })) {
      this.url = /http:\S+/.exec(line)?.[0] ?? '';
      if (this.url !== '') return;
    }
    // The bucket did not answer while it opened: a supervisor starts it again.
    await this.start();
  }

  async kill(): Promise<void> {
    const child = this.#child!;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((done) => child.once('exit', done));
    child.kill('SIGKILL');
    await ended;
  }
}

interface Acknowledged {
  readonly id: string;
  readonly token: string;
  readonly manifest: ShareManifest;
}

class Client {
  readonly acknowledged = new Map<string, Acknowledged>();
  deleted = 0;
  /** Answers that said no, by status. */
  readonly refusals = new Map<number, number>();
  onAcknowledged: () => void = () => {};
  readonly #random: Random;
  readonly #processes: readonly Process[];
  readonly #seed: number;

  constructor(seed: number, processes: readonly Process[]) {
    this.#seed = seed;
    this.#random = new Random(seed);
    this.#processes = processes;
  }

  async work(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#once(this.#random.uniform() < 0.5);
      } catch (error) {
        // Connections break when a process is killed, or the line loses packets.
        if (!(error instanceof TypeError)) throw error;
        await new Promise((done) => setTimeout(done, 20));
      }
    }
  }

  /** @param common whether the adapter is one of those that all share and delete; the others are this client's, and kept */
  async #once(common: boolean): Promise<void> {
    const adapter = common
      ? COMMON[this.#random.integer(COMMON.length)]!
      : sampleAdapter(1000 * this.#seed + this.acknowledged.size, 200);
    const there = await fetch(`${this.#any()}/api/adapters/${adapter.sha256}`, { method: 'HEAD' });
    if (there.status !== 200 && !(await this.#upload(adapter))) return;
    const manifest = sampleManifest(adapter, `Share ${this.acknowledged.size} of ${this.#seed}`);
    const answer = await fetch(`${this.#any()}/api/shares`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(manifest),
    });
    if (!this.#succeeded(answer, 201)) return;
    const made = (await answer.json()) as { id: string; token: string };
    this.acknowledged.set(made.id, { ...made, manifest });
    this.onAcknowledged();
    const isCommon = ({ manifest: { adapter: shared } }: Acknowledged) =>
      COMMON.some(({ sha256 }) => sha256 === shared?.sha256);
    const doomed = [...this.acknowledged.values()].filter(isCommon);
    for (const { id, token } of doomed.filter(() => common && this.#random.uniform() < 0.6)) {
      // From the moment it is asked for, it may be gone.
      this.acknowledged.delete(id);
      this.deleted++;
      const headers = { Authorization: `Bearer ${token}` };
      await fetch(`${this.#any()}/api/shares/${id}`, { method: 'DELETE', headers });
    }
  }

  async #upload({ bytes, sha256 }: SampleAdapter): Promise<boolean> {
    if (this.#random.uniform() < 0.3) return this.#succeeded(await upload(this.#any(), bytes, sha256), 204);
    const begun = await beginDirect(this.#any(), sha256, bytes.length);
    if (!this.#succeeded(begun, 201)) return false;
    const addresses = (await begun.json()) as DirectAddresses;
    await putParts(addresses, bytes);
    return this.#succeeded(await completeDirect(this.#any(), addresses.id), 204);
  }

  #succeeded({ status }: Response, wanted: number): boolean {
    if (status !== wanted) this.refusals.set(status, (this.refusals.get(status) ?? 0) + 1);
    return status === wanted;
  }

  #any(): string {
    return this.#processes[this.#random.integer(PROCESSES)]!.url;
  }
}

it.skipIf(implementation === null)(
  `three processes over one bucket, killed ${KILLS} times on a line that loses packets, lose nothing they acknowledged (${implementation?.name ?? HOW_TO_GET_ONE})`,
  async () => {
    const { options } = await startBucket(implementation!);
    const line = await flakyLine(options.endpoint, 21);
    const storage = { ...options, endpoint: line.url };
    const processes = Array.from({ length: PROCESSES }, (_, index) => new Process(index, storage));
    onCleanUp(async () => {
      await Promise.all(processes.map((one) => one.kill()));
    });
    await Promise.all(processes.map((one) => one.start()));
    const clients = Array.from({ length: CLIENTS }, (_, index) => new Client(index + 1, processes));
    const stop = new AbortController();
    const work = Promise.all(clients.map((client) => client.work(stop.signal)));
    const random = new Random(4);
    let acknowledged = 0;
    for (let round = 0; round < KILLS; round++) {
      const moment = new Promise<void>((done) => {
        let left = 1 + random.integer(3);
        for (const client of clients)
          client.onAcknowledged = () => {
            acknowledged++;
            if (--left === 0) setTimeout(done, random.uniform() * 200);
          };
      });
      await Promise.race([moment, work]);
      const killed = processes[random.integer(PROCESSES)]!;
      await killed.kill();
      await killed.start();
    }
    stop.abort();
    await work;
    await Promise.all(processes.map((one) => one.kill()));

    // By a server whose line is good, after a sweep.
    const last = await startServer({
      storage: { driver: 's3', options: options as unknown as Record<string, unknown> },
    });
    await last.sweep();
    const kept = clients.flatMap((client) => [...client.acknowledged.values()]);
    let lost = 0;
    for (const { id, manifest } of kept) {
      const answer = await fetch(`${last.url}/api/shares/${id}`);
      const whole = answer.status === 200 && JSON.stringify(await answer.json()) === JSON.stringify(manifest);
      const bytes = await fetch(`${last.url}/api/adapters/${manifest.adapter!.sha256}`);
      const intact = sha256Of(new Uint8Array(await bytes.arrayBuffer())) === manifest.adapter!.sha256;
      if (!whole || !intact) lost++;
    }
    const refusals = clients.map((client) => JSON.stringify([...client.refusals])).join(' ');
    const deleted = clients.reduce((sum, client) => sum + client.deleted, 0);
    console.warn(
      `${KILLS} kills, ${acknowledged} acknowledged, ${deleted} deleted, ${kept.length} kept, ${lost} lost; line: ${line.faults.cut} cut, ${line.faults.dead} dead; refusals ${refusals}`,
    );
    expect(lost).toBe(0);
    expect(kept.length).toBeGreaterThanOrEqual(KILLS);
    expect(deleted).toBeGreaterThanOrEqual(KILLS);
    expect(line.faults.cut).toBeGreaterThan(0);
  },
  600_000,
);
