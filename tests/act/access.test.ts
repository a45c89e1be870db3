/** Who may ask: tokens, hosts, the queue, and the end. */
import { request } from 'node:http';
import { describe, expect, it, vi } from 'vitest';
import { isLoopback } from '../../tools/act/server.ts';
import { OFT, OPENVLA, post, serveTiny, tiny, vector, type Refusal } from './tiny-server.ts';

const errorOf = async (answer: Response) => ((await answer.json()) as Refusal).error;

describe('a token', () => {
  it('is needed beyond loopback', async () => {
    await expect(serveTiny({ host: '0.0.0.0' })).rejects.toThrow(/no token/);
    await expect(serveTiny({ host: '::', token: '' })).rejects.toThrow(/no token/);
  });

  it('is asked for everywhere once it is set, before anything is read', async () => {
    const server = await serveTiny({ host: '0.0.0.0', token: 'open sesame' });
    for (const headers of [{}, { Authorization: 'Bearer open' }, { Authorization: 'Basic open sesame' }]) {
      const answer = await post(server, 'not JSON', headers as Record<string, string>);
      expect(answer.status).toBe(401);
      expect(answer.headers.get('www-authenticate')).toBe('Bearer');
      expect((await errorOf(answer)).code).toBe('unauthorized');
    }
    expect((await fetch(server.url)).status).toBe(401);
    expect((await post(server, OFT, { Authorization: 'Bearer open sesame' })).status).toBe(200);
  });

  it.each([
    ['127.0.0.1', true],
    ['127.1.2.3', true],
    ['localhost', true],
    ['::1', true],
    ['[::1]', true],
    ['0.0.0.0', false],
    ['::', false],
    ['192.168.0.2', false],
    ['127.0.0.1.example.com', false],
    ['', false],
  ])('loopback: %s is %s', (host, loopback) => {
    expect(isLoopback(host)).toBe(loopback);
  });
});

it('without a token only names of this machine are served: a page cannot rebind its own', async () => {
  const server = await serveTiny();
  const { port } = new URL(server.url);
  const statusFor = (host: string) =>
    new Promise<number>((done, failed) => {
      request({ port, host: '127.0.0.1', headers: { Host: host } }, (answer) => {
        answer.resume();
        done(answer.statusCode!);
      })
        .on('error', failed)
        .end();
    });
  expect(await statusFor(`evil.example:${port}`)).toBe(403);
  expect(await statusFor(`localhost:${port}`)).toBe(200);
});

/** A policy that predicts when it is told to. */
function held() {
  const waiting: (() => void)[] = [];
  let [running, most] = [0, 0];
  const act: typeof tiny.act = async (observation) => {
    most = Math.max(most, ++running);
    await new Promise<void>((go) => waiting.push(go));
    running--;
    return tiny.act(observation);
  };
  return { act, waiting, most: () => most };
}
const until = async (holds: () => boolean) => {
  while (!holds()) await new Promise((done) => setTimeout(done, 5));
};

describe('the queue', () => {
  it('lets one predict and few wait; the others get 503 and when to ask again', async () => {
    const policy = held();
    const server = await serveTiny({ waiting: 2, act: policy.act });
    let refused = 0;
    const answers = Array.from({ length: 6 }, async () => {
      const answer = await post(server, OPENVLA);
      const code = answer.ok ? null : (await errorOf(answer)).code;
      if (code !== null) refused++;
      return [answer.status, code, answer.headers.get('retry-after')];
    });
    await until(() => refused === 3);
    for (let i = 0; i < 3; i++) {
      await until(() => policy.waiting.length > 0);
      policy.waiting.shift()!();
    }
    const [good, busy] = [
      [200, null, null],
      [503, 'busy', '1'],
    ];
    const told = (await Promise.all(answers)).toSorted((a, b) => Number(a[0]) - Number(b[0]));
    expect(told).toEqual([good, good, good, busy, busy, busy]);
    expect(policy.most()).toBe(1);
  });

  it('a prediction that fails lets the next one have its turn, and its reason is told', async () => {
    const logged = vi.spyOn(console, 'error').mockImplementation(() => {});
    let times = 0;
    const act: typeof tiny.act = (observation) =>
      times++ === 0 ? Promise.reject(new TypeError('a defect')) : tiny.act(observation);
    const server = await serveTiny({ waiting: 0, act });
    const failed = await post(server, OFT);
    expect(failed.status).toBe(500);
    expect(await errorOf(failed)).toMatchObject({ code: 'internal' });
    expect(logged).toHaveBeenCalledOnce();
    logged.mockRestore();
    expect((await post(server, OFT)).status).toBe(200);
  });

  it('does not predict for a client that has gone', async () => {
    const policy = held();
    const server = await serveTiny({ act: policy.act });
    const first = post(server, OPENVLA);
    await until(() => policy.waiting.length === 1);
    const gone = new AbortController();
    const second = fetch(`${server.url}/act`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(OPENVLA),
      signal: gone.signal,
    }).catch(() => null);
    await new Promise((done) => setTimeout(done, 200));
    gone.abort();
    await second;
    await new Promise((done) => setTimeout(done, 100));
    policy.waiting.shift()!();
    expect((await first).status).toBe(200);
    await new Promise((done) => setTimeout(done, 100));
    expect(policy.waiting).toHaveLength(0);
  });

  it('what is under way is answered when the server closes', async () => {
    const policy = held();
    const server = await serveTiny({ act: policy.act });
    const answers = [post(server, OPENVLA), post(server, OPENVLA)];
    await until(() => policy.waiting.length === 1);
    await new Promise((done) => setTimeout(done, 100));
    const closed = server.close();
    for (let i = 0; i < 2; i++) {
      await until(() => policy.waiting.length > 0);
      policy.waiting.shift()!();
    }
    for (const answer of await Promise.all(answers)) expect(vector(await answer.json())).toHaveLength(7);
    await closed;
    await expect(fetch(server.url)).rejects.toThrow('fetch failed');
  });
});
