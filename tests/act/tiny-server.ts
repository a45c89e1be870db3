/** The tiny package behind POST /act, and requests for it. */
import { afterAll } from 'vitest';
import { createActServer, type ActServer, type ActServerOptions } from '../../tools/act/server.ts';
import { servedPolicy, type ServedPolicy } from '../../tools/act/served-policy.ts';
import { openNodePolicy } from '../../tools/evaluate/node-policy.ts';

/** Shared by the files of tests that one process runs, hence never disposed of. */
export const tiny = await openNodePolicy('tests/packages/tiny', { threads: 1 });

export async function serveTiny(
  options: Partial<ActServerOptions> & { readonly act?: ServedPolicy['act'] } = {},
): Promise<ActServer> {
  const served = servedPolicy(tiny, undefined, 'CPU');
  const server = await createActServer(
    { ...served, act: options.act ?? served.act },
    { port: 0, ...options },
  );
  afterAll(() => server.close());
  return server;
}

/** uint8 [height, width, 3] of a gradient. */
export function image(width: number, height: number, seed = 0) {
  const data = Uint8Array.from(
    { length: width * height * 3 },
    (_, i) => (i * 7 + seed * 31 + (i >> 5)) % 256,
  );
  return { width, height, data };
}

export function numpy(bytes: Uint8Array, dtype: string, shape: readonly number[]) {
  return { __numpy__: Buffer.from(bytes).toString('base64'), dtype, shape };
}

export function numpyImage({ width, height, data }: ReturnType<typeof image>) {
  return numpy(data, '|u1', [height, width, 3]);
}

export const STATE = [0.1, -0.2, 0.3, 0.05, -0.05, 0.2, 0.4, -0.1];
export const INSTRUCTION = 'Pick up the black bowl';
export const FRAMES = [image(64, 48, 1), image(56, 56, 2)] as const;

export const OFT = {
  full_image: numpyImage(FRAMES[0]),
  wrist_image: numpyImage(FRAMES[1]),
  state: numpy(new Uint8Array(Float64Array.from(STATE).buffer), '<f8', [8]),
  instruction: INSTRUCTION,
};
const { full_image: main, ...others } = OFT;
export const OPENVLA = { ...others, image: main };

export function post(
  server: ActServer,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(`${server.url}/act`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: typeof body === 'string' || body instanceof Uint8Array ? (body as BodyInit) : JSON.stringify(body),
  });
}

/** The values of json_numpy's float64 vector. */
export function vector(value: unknown): number[] {
  const { __numpy__, dtype, shape } = value as { __numpy__: string; dtype: string; shape: number[] };
  if (dtype !== '<f8') throw new Error(`dtype ${dtype}`);
  const bytes = Uint8Array.from(Buffer.from(__numpy__, 'base64'));
  const values = [...new Float64Array(bytes.buffer)];
  if (shape.length !== 1 || shape[0] !== values.length) throw new Error(`shape ${JSON.stringify(shape)}`);
  return values;
}

export interface Refusal {
  readonly error: { readonly code: string; readonly message: string; readonly hint: string };
}
