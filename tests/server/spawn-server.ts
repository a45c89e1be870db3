/** A share server in a process of its own, as `npm run serve` starts it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fakeDist, temporaryFolder } from './start-server.ts';

export interface SpawnedServer {
  readonly url: string;
  readonly process: ChildProcess;
  /** Its exit code, once it has ended. */
  readonly ended: Promise<number | null>;
}

/** @param wrap a command that runs the one behind it */
export async function spawnServer(
  env: Record<string, string>,
  wrap: readonly string[] = [],
): Promise<SpawnedServer> {
  const folder = temporaryFolder();
  const command = [...wrap, process.execPath, 'tools/node/run.mjs', 'server/main.ts'];
  const child = spawn(command[0]!, command.slice(1), {
    env: {
      ...process.env,
      PORT: '0',
      DIST_DIR: fakeDist(folder),
      DATA_DIR: join(folder, 'data'),
      READS_PER_MINUTE: '1000000',
      WRITES_PER_MINUTE: '1000000',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<number | null>((done) => child.once('exit', done));
  for await (const line of createInterface({ input: child.stdout })) {
    const url = /http:\S+/.exec(line)?.[0];
    if (url !== undefined) return { url, process: child, ended };
  }
  throw new Error('The server ended before it said where it is.');
}
