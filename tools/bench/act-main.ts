/** `npm run bench:act`: a robot's requests to `npm run act`, malformed ones among them. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { openNodePolicy, type NodeObservation } from '../evaluate/node-policy.ts';
import { parseArguments } from '../node/arguments.ts';
import { imagesOf, MALFORMED, observationOf, oftPayload } from './act-requests.ts';
import { residentMb } from './server-attacks.ts';

const USAGE = `usage: npm run bench:act -- [options]

Starts npm run act and asks it for actions, one request after the other as a robot does, every fourth malformed. Every answer is compared with the
direct prediction, every malformed request has to get a 4xx with a reason. Prints p50 and p99. With --python also what upstream's Python way gets.
Ends with 1 where an action is more than 1e-4 off, an answer is another than expected, or the server ended.

  --policy FOLDER      policy package (default public/models/default)
  --requests N         default 1000
  --backend NAME       cpu or dawn, of the server (default cpu)
  --python PATH        a Python with json_numpy, requests and numpy`;

const args = parseArguments(USAGE, {
  options: {
    policy: { type: 'string', default: 'public/models/default' },
    requests: { type: 'string', default: '1000' },
    backend: { type: 'string', default: 'cpu' },
    python: { type: 'string' },
  },
});
const { values } = args;
const requests = args.wholeNumber('requests', 4);
const backend = args.oneOf('backend', ['cpu', 'dawn']);

const OBSERVATIONS = 8;
const TOLERANCE = 1e-4;
const TOKEN = 'bench';

const opened = await openNodePolicy(values.policy);
const { config } = opened.policy;
const observations = Array.from({ length: OBSERVATIONS }, (_, seed) => observationOf(config, seed));
const expected: number[][][] = [];
await opened.act(observations[0]!);
const alone: number[] = [];
for (const observation of observations) {
  const started = performance.now();
  expected.push(await opened.act(observation));
  alone.push(performance.now() - started);
}
opened.dispose();
const payloads = observations.map((observation) => oftPayload(config, observation));

const server = spawn(
  process.execPath,
  ['tools/node/run.mjs', 'tools/act/main.ts', '--policy', values.policy, '--port', '0', '--backend', backend],
  { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ACT_TOKEN: TOKEN } },
);
const ended = new Promise<number | null>((done) => server.once('exit', done));
const wrong: string[] = [];
let worst = 0;
try {
  const url = await addressOf();
  console.log(
    `${cpus().length} cores, ${cpus()[0]?.model ?? 'unknown CPU'}, Node ${process.version}; ${values.policy}`,
  );
  await ask(url, payloads[0]!, 0);
  const startMb = residentMb(server.pid!);
  const good: number[] = [];
  const refused: number[] = [];
  for (let i = 0; i < requests; i++) {
    const at = i % OBSERVATIONS;
    const started = performance.now();
    if (i % 4 === 3) {
      await askWrong(url, (i - 3) / 4, payloads[at]!);
      refused.push(performance.now() - started);
    } else {
      await ask(url, payloads[at]!, at);
      good.push(performance.now() - started);
    }
  }
  console.log(line('direct', alone));
  console.log(line('predictions', good));
  console.log(line('malformed', refused));
  console.log(`largest difference to the direct prediction ${worst.toExponential(1)}`);
  console.log(
    `server: ${startMb.toFixed(0)} MB after the first request, ${residentMb(server.pid!).toFixed(0)} MB after all`,
  );
  if (values.python !== undefined) askFromPython(values.python, url, observations[0]!, expected[0]!);
  if (server.exitCode !== null) wrong.push('The server ended.');
} finally {
  server.kill('SIGTERM');
}
const exitCode = await ended;
if (exitCode !== 0) wrong.push(`The server ended with ${exitCode} after SIGTERM.`);
for (const message of wrong.slice(0, 10)) console.error(message);
console.log(wrong.length === 0 ? 'every answer was as expected' : `${wrong.length} answers were wrong`);
process.exit(wrong.length === 0 ? 0 : 1);

async function addressOf(): Promise<string> {
  for await (const text of createInterface({ input: server.stdout })) {
    const url = /http:\S+/.exec(text)?.[0];
    if (url !== undefined) return url;
  }
  throw new Error('The server ended before it said where it is.');
}

function send(url: string, body: string): Promise<Response> {
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${TOKEN}` };
  return fetch(url, { method: 'POST', headers, body });
}

async function ask(url: string, payload: Record<string, unknown>, at: number): Promise<void> {
  const answer = await send(url, JSON.stringify(payload));
  if (answer.status !== 200) {
    wrong.push(`A right request got ${answer.status}: ${await answer.text()}`);
    return;
  }
  const actions = ((await answer.json()) as { __numpy__: string }[]).map(({ __numpy__: base64 }) => [
    ...new Float64Array(Uint8Array.from(Buffer.from(base64, 'base64')).buffer),
  ]);
  compare('A right request', actions, expected[at]!);
}

async function askWrong(url: string, index: number, payload: Record<string, unknown>): Promise<void> {
  const kind = index % MALFORMED.length;
  const answer = await send(url, MALFORMED[kind]!(payload, Math.floor(index / MALFORMED.length)));
  const text = await answer.text();
  const { error } = JSON.parse(text) as { error?: { code?: string; message?: string } };
  if (answer.status < 400 || answer.status >= 500 || !error?.code || !error.message)
    wrong.push(`Malformed request ${kind} got ${answer.status}: ${text.slice(0, 200)}`);
}

type Rows = readonly (readonly number[])[];

function sizes(rows: Rows): string {
  return rows.map(({ length }) => length).join();
}

function compare(what: string, actions: Rows, wanted: Rows): void {
  if (sizes(actions) !== sizes(wanted)) {
    wrong.push(`${what} got actions of ${sizes(actions)} values instead of ${sizes(wanted)}.`);
    return;
  }
  const most = Math.max(
    ...actions.flatMap((row, step) => row.map((value, i) => Math.abs(value - wanted[step]![i]!))),
  );
  worst = Math.max(worst, most);
  if (!(most <= TOLERANCE)) wrong.push(`${what} got actions that are ${most} off.`);
}

function line(what: string, times: readonly number[]): string {
  const sorted = times.toSorted((a, b) => a - b);
  const quantile = (q: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]!.toFixed(1);
  return `${String(times.length).padStart(5)} ${what.padEnd(12)} p50 ${quantile(0.5)} ms, p99 ${quantile(0.99)} ms`;
}

function askFromPython(python: string, url: string, observation: NodeObservation, wanted: number[][]): void {
  const folder = mkdtempSync(join(tmpdir(), 'openvla-act-'));
  const file = join(folder, 'observation.json');
  const images = imagesOf(config, observation).map(({ key, width, height, data }) => [
    key,
    { rgb: Buffer.from(data).toString('base64'), width, height },
  ]);
  const { state, instruction } = observation;
  writeFileSync(
    file,
    JSON.stringify({ images: Object.fromEntries(images), state, instruction, token: TOKEN, seed: 0 }),
  );
  const result = spawnSync(python, ['tools/act/client.py', url, file], { encoding: 'utf8' });
  rmSync(folder, { recursive: true });
  if (result.status !== 0) {
    wrong.push(`The Python client failed: ${result.error?.message ?? result.stderr}`);
    return;
  }
  const { refused, ...answers } = JSON.parse(result.stdout) as Record<string, number[][]>;
  worst = 0;
  for (const [form, actions] of Object.entries(answers)) {
    compare(`Python, ${form},`, actions, form.startsWith('openvla-oft') ? wanted : wanted.slice(0, 1));
    console.log(`Python, ${form}: ${actions.length} actions`);
  }
  console.log(`largest difference of what Python got ${worst.toExponential(1)}`);
  console.log(`Python, refused: ${JSON.stringify(refused)}`);
}
