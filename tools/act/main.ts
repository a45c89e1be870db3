/** `npm run act`: a policy behind `POST /act`, for the clients of openvla's and openvla-oft's deploy.py. */
import { openNodePolicy } from '../evaluate/node-policy.ts';
import { parseArguments } from '../node/arguments.ts';
import { createDawnRuntime } from '../node/dawn-runtime.ts';
import { createActServer, isLoopback } from './server.ts';
import { servedPolicy } from './served-policy.ts';

const BACKENDS = ['cpu', 'dawn'] as const;

const USAGE = `usage: npm run act -- --policy FOLDER [options]

Serves a policy to robots, in the two forms of the field: POST /act with {image, instruction, unnorm_key?} answers one
action (openvla), with {full_image, …wrist… images, state, instruction} one action per step of the chunk (openvla-oft).
Arrays are json_numpy. GET / says what is served. docs/act.md has examples.

  --policy FOLDER      policy package, as npm run convert writes it
  --adapter PLACE      checkpoint folder or zip of a fine-tuning, applied to the policy; its statistics are used
  --port N             default 8777, as openvla-oft's; openvla's is 8000; 0 takes a free one
  --host ADDRESS       default 127.0.0.1: only this machine; beyond it a token is needed
  --token TEXT         what clients send as "Authorization: Bearer TEXT"; default the environment variable ACT_TOKEN
  --unnorm-key KEY     statistics of requests that name none; needed where the policy has several
  --backend NAME       ${BACKENDS.join(' or ')} (a GPU, through WebGPU); default cpu
  --threads N          threads of onnxruntime on the CPU (default: as many as it chooses)
  --waiting N          requests that may wait for the one at work; others get 503 (default 4)`;

const args = parseArguments(USAGE, {
  options: {
    policy: { type: 'string' },
    adapter: { type: 'string' },
    port: { type: 'string', default: '8777' },
    host: { type: 'string', default: '127.0.0.1' },
    token: { type: 'string' },
    'unnorm-key': { type: 'string' },
    backend: { type: 'string', default: 'cpu' },
    threads: { type: 'string' },
    waiting: { type: 'string', default: '4' },
  },
});
const { values } = args;
if (values.policy === undefined) throw args.wrong('--policy is missing; a package folder is expected.');
const port = args.wholeNumber('port', 0);
if (port > 65_535) throw args.wrong(`--port is "${values.port}"; it has to be 65535 or less.`);
const threads = args.wholeNumber('threads', 1);
const waiting = args.wholeNumber('waiting', 0);
const backend = args.oneOf('backend', BACKENDS);
const token = values.token ?? process.env['ACT_TOKEN'];
// Before a policy is loaded for minutes.
if (!token && !isLoopback(values.host))
  throw args.wrong(`--host ${values.host} is beyond this machine; a --token is needed there.`);

const dawn = backend === 'dawn' ? await createDawnRuntime() : null;
const opened = await openNodePolicy(values.policy, {
  ...(dawn ? { runtime: dawn.runtime } : {}),
  ...(threads ? { threads } : {}),
  ...(values.adapter ? { adapter: values.adapter } : {}),
});
const served = servedPolicy(opened, values['unnorm-key'], dawn ? dawn.label : 'CPU');
const server = await createActServer(served, {
  port,
  host: values.host,
  waiting,
  ...(token ? { token } : {}),
});
console.log(`${opened.name} is at ${server.url}/act (${dawn ? dawn.label : 'CPU'})`);

let closing = false;
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => {
    // Who asks twice does not want to wait.
    if (closing) process.exit(1);
    closing = true;
    void server.close().then(() => process.exit(0));
  });
}
