/** An S3 implementation that a registry brings: versitygw (Go), or moto's server (PyPI), which checks no signatures. */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import type { S3Options } from '../../server/s3-client.ts';
import { onCleanUp, temporaryFolder } from './start-server.ts';

export interface RealBucket {
  readonly name: string;
  readonly options: S3Options;
}

interface Implementation {
  readonly name: string;
  readonly command: (port: number, folder: string) => readonly string[];
}

const KEYS = { accessKeyId: 'openvla-test', secretAccessKey: 'openvla-test-secret' };

/** What tests say when they are skipped. */
export const HOW_TO_GET_ONE =
  'no S3 implementation here: `go install github.com/versity/versitygw/cmd/versitygw@v1.8.0` or `pip install "moto[server]"`';

/** What is installed here; null when nothing is. `S3_SERVER=moto` or `versitygw` asks for one. */
export function findImplementation(): Implementation | null {
  const asked = process.env['S3_SERVER'];
  const gateway = [
    join(homedir(), 'go/bin/versitygw'),
    '/usr/local/bin/versitygw',
    '/usr/bin/versitygw',
  ].find((path) => existsSync(path));
  if (gateway !== undefined && asked !== 'moto') return { name: 'versitygw', command: versitygw(gateway) };
  if (asked === 'versitygw') return null;
  try {
    execFileSync('python3', ['-c', 'import moto.server, flask, flask_cors'], { stdio: 'ignore' });
  } catch {
    return null;
  }
  return { name: 'moto', command: moto };
}

const moto = (port: number) => ['python3', '-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)];

function versitygw(path: string): Implementation['command'] {
  return (port, folder) => {
    const [objects, sidecar] = [join(folder, 'objects'), join(folder, 'sidecar')];
    for (const made of [objects, sidecar]) mkdirSync(made);
    const { accessKeyId, secretAccessKey } = KEYS;
    const listen = ['--port', `127.0.0.1:${port}`, '--quiet', '--cors-allow-origin', '*'];
    return [
      path,
      ...listen,
      '--access',
      accessKeyId,
      '--secret',
      secretAccessKey,
      'posix',
      '--sidecar',
      sidecar,
      objects,
    ];
  };
}

/** Starts it over a temporary folder; it ends with the tests of the file. */
export async function startBucket({ name, command }: Implementation): Promise<RealBucket> {
  const port = await freePort();
  const [program, ...args] = command(port, temporaryFolder());
  const child = spawn(program!, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  onCleanUp(() => void child.kill('SIGKILL'));
  const options = { ...KEYS, endpoint: `http://127.0.0.1:${port}`, region: 'us-east-1', bucket: 'shares' };
  await answering(options.endpoint, child);
  const client = new S3Client({ ...options, credentials: KEYS, forcePathStyle: true });
  await client.send(new CreateBucketCommand({ Bucket: options.bucket }));
  client.destroy();
  return { name, options };
}

/** Any answer will do, also that nothing is signed. */
async function answering(endpoint: string, child: ReturnType<typeof spawn>): Promise<void> {
  let ended = false;
  child.once('exit', () => (ended = true));
  for (;;) {
    if (ended) throw new Error('The S3 server ended before it answered.');
    const answer = await fetch(endpoint).catch(() => null);
    if (answer) return;
    await new Promise((done) => setTimeout(done, 50));
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as { port: number };
  await new Promise((done) => server.close(done));
  return port;
}
