/** Requests that are wrong, in a few hundred ways: each gets a reason, none ends the server or is answered with 5xx. */
import {
  assert,
  asyncProperty,
  boolean,
  constantFrom,
  json,
  jsonValue,
  nat,
  oneof,
  string,
  tuple,
  uint8Array,
} from 'fast-check';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { OFT, OPENVLA, post, serveTiny, vector, type Refusal } from './tiny-server.ts';

const server = await serveTiny({ requestBytes: 2 ** 20 });

async function expectRefusal(answer: Response): Promise<Refusal['error']> {
  const text = await answer.text();
  expect(answer.status, text).toBeGreaterThanOrEqual(400);
  expect(answer.status, text).toBeLessThan(500);
  const { error } = JSON.parse(text) as Refusal;
  expect(error.code).toMatch(/^[a-z-]+$/);
  expect(error.message).toMatch(/\S/);
  return error;
}

async function expectAlive(): Promise<void> {
  const answer = await post(server, OPENVLA);
  expect(answer.status).toBe(200);
  expect(vector(await answer.json())).toHaveLength(7);
}

/** A request with one of its values replaced, also within an array. */
const spoiled = tuple(
  constantFrom(OFT, OPENVLA),
  constantFrom('full_image', 'image', 'wrist_image', 'state', 'instruction', 'unnorm_key'),
  constantFrom(null, '__numpy__', 'dtype', 'shape'),
  oneof(
    jsonValue(),
    constantFrom<unknown>(
      '<f8',
      '|u1',
      '>i8',
      '|b1',
      [],
      [8],
      [0],
      [48, 64, 3],
      [1e9, 1e9, 3],
      [2 ** 31],
      1e308,
    ),
    string({ unit: 'binary' }),
  ),
).map(([request, key, part, value]): unknown => {
  const body: Record<string, unknown> = { ...request };
  const inner = body[key];
  body[key] = part !== null && typeof inner === 'object' ? { ...inner, [part]: value } : value;
  return body;
});
const cut = tuple(
  constantFrom(JSON.stringify(OFT), JSON.stringify({ encoded: JSON.stringify(OPENVLA) })),
  nat(),
).map(([text, at]) => text.slice(0, at % text.length));
const bytes = uint8Array({ maxLength: 200 });

describe('a malformed request', () => {
  it('never gets a 5xx', async () => {
    const anything = oneof(spoiled, spoiled, cut, bytes, json());
    let refused = 0;
    await assert(
      asyncProperty(anything, boolean(), async (body, encoded) => {
        const wrap = encoded && !(body instanceof Uint8Array);
        const inner = typeof body === 'string' ? body : JSON.stringify(body);
        const answer = await post(server, wrap ? { encoded: inner } : body);
        // Some of what replaces a value fits, such as another instruction.
        if (answer.status === 200) {
          await answer.json();
          return;
        }
        await expectRefusal(answer);
        refused++;
      }),
      { numRuns: 400 },
    );
    expect(refused).toBeGreaterThan(200);
    await expectAlive();
  });

  it.each([
    ['an instruction of lone surrogates', { ...OFT, instruction: '\ud800 \udfff' }],
    ['an instruction of ten thousand characters', { ...OFT, instruction: 'bowl '.repeat(2000) }],
    ['a state of another robot', { ...OFT, state: [1, 2, 3] }],
    [
      'a state that is not finite',
      JSON.stringify({ ...OFT, state: [2] }).replace('[2]', '[1e999,0,0,0,0,0,0,0]'),
    ],
    ['statistics that are not there', { ...OFT, unnorm_key: '__proto__' }],
  ])('%s is answered', async (_, body) => {
    const answer = await post(server, body);
    expect(answer.status).toBeLessThan(500);
    if (answer.status !== 200) await expectRefusal(answer);
  });

  it('that is too large gets 413, with and without its length', async () => {
    const large = new Uint8Array(2 ** 20 + 1).fill(32);
    expect((await post(server, large)).status).toBe(413);
    const streamed = await fetch(`${server.url}/act`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: new Blob([large]).stream(),
      duplex: 'half',
    } as RequestInit);
    expect(streamed.status).toBe(413);
    expect((await expectRefusal(streamed)).code).toBe('too-large');
    await expectAlive();
  });

  it('of another method, address or content type is told so', async () => {
    for (const [path, init, status] of [
      ['/act', {}, 405],
      ['/act', { method: 'OPTIONS', headers: { Origin: 'https://example.com' } }, 405],
      ['/predict', {}, 404],
      ['/act', { method: 'POST', body: JSON.stringify(OFT) }, 415],
      ['/act', { method: 'POST', body: new URLSearchParams({ image: '1' }) }, 415],
    ] as const) {
      const answer = await fetch(server.url + path, init);
      expect(answer.status).toBe(status);
      expect(answer.headers.get('access-control-allow-origin')).toBeNull();
      await expectRefusal(answer);
    }
  });

  it('that is not HTTP, or is cut, leaves the server alone', async () => {
    const { hostname, port } = new URL(server.url);
    const send = (text: string, end: boolean) =>
      new Promise<string>((done, failed) => {
        const socket = connect(Number(port), hostname, () => socket.write(text));
        let answer = '';
        socket.setEncoding('utf8').on('data', (data) => (answer += String(data)));
        socket.on('error', failed).on('close', () => done(answer));
        if (end) setTimeout(() => socket.destroy(), 50);
      });
    const refusal = await send('GET nonsense\r\n\r\n', false);
    expect(refusal).toMatch(/^HTTP\/1.1 400 /);
    expect((JSON.parse(refusal.split('\r\n\r\n')[1]!) as Refusal).error.code).toBe('bad-input');
    const head =
      'POST /act HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"im';
    await Promise.all(Array.from({ length: 4 }, () => send(head, true)));
    await expectAlive();
  });
});
