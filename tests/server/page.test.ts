import { describe, expect, it } from 'vitest';
import {
  CONTENT_SECURITY_POLICY,
  CONTENT_SECURITY_POLICY_META,
} from '../../src/share/content-security-policy.ts';
import { startServer } from './start-server.ts';

const server = await startServer();
const at = (path: string, headers: Record<string, string> = {}) => fetch(`${server.url}${path}`, { headers });

async function policyOf(path: string): Promise<string | null> {
  return (await at(path)).headers.get('content-security-policy');
}

describe('the page', () => {
  it.each(['/', '/index.html', '/s/AAAABBBBCCCCDDDD', '/?policy=models/mine/manifest.json'])(
    'is at %s',
    async (path) => {
      const answer = await at(path);
      expect(answer.status).toBe(200);
      expect(answer.headers.get('content-type')).toContain('text/html');
      expect(answer.headers.get('cache-control')).toBe('no-cache');
      expect(await answer.text()).toContain('<title>page</title>');
    },
  );

  it.each(['/', '/assets/index-abc.js', '/api/health', '/api/nothing', '/nothing', '/s/AAAABBBBCCCCDDDD'])(
    'and %s come with the headers that keep it apart',
    async (path) => {
      const answer = await at(path);
      await answer.body?.cancel();
      expect(Object.fromEntries(answer.headers)).toMatchObject({
        'content-security-policy': CONTENT_SECURITY_POLICY,
        'cross-origin-opener-policy': 'same-origin',
        'cross-origin-embedder-policy': 'require-corp',
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
      });
      const features = answer.headers.get('permissions-policy');
      expect(features).toContain('camera=(self)');
      expect(features).toContain('microphone=()');
    },
  );

  it('finds its files from the address of a share, which is one folder deeper', async () => {
    const html = await (await at('/s/AAAABBBBCCCCDDDD')).text();
    const script = /src="([^"]+)"/.exec(html)![1]!;
    const { pathname } = new URL(script, `${server.url}/s/AAAABBBBCCCCDDDD`);
    const found = await at(pathname, { 'Accept-Encoding': 'identity' });
    expect(await found.text()).toBe('export {};');
    const modified = (await at('/s/AAAABBBBCCCCDDDD')).headers.get('last-modified')!;
    expect((await at('/s/AAAABBBBCCCCDDDD', { 'If-Modified-Since': modified })).status).toBe(304);
  });

  it('allows no code but its own', () => {
    expect(CONTENT_SECURITY_POLICY).toContain("default-src 'none'");
    expect(CONTENT_SECURITY_POLICY).toContain("script-src 'self' 'wasm-unsafe-eval';");
    expect(CONTENT_SECURITY_POLICY).not.toContain('unsafe-inline');
    expect(CONTENT_SECURITY_POLICY).not.toContain(" 'unsafe-eval'");
    expect(CONTENT_SECURITY_POLICY).toBe(`${CONTENT_SECURITY_POLICY_META}; frame-ancestors 'none'`);
  });
});

describe('files of the page', () => {
  it('may make code of text in the practice worker only', async () => {
    expect(await policyOf('/assets/practice-worker-abc.js')).toContain(" 'unsafe-eval'");
    for (const path of [
      '/assets/index-abc.js',
      '/s/practice-worker-abc.js',
      '/assets/practice-worker-abc.js/',
    ])
      expect(await policyOf(path)).toBe(CONTENT_SECURITY_POLICY);
  });

  it('are kept for a year where their name carries a hash', async () => {
    for (const path of ['/assets/ort-abc.wasm', '/favicon.svg?v=1'])
      expect((await at(path)).headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    expect((await at('/favicon.svg')).headers.get('cache-control')).toBe('no-cache');
  });

  it('have the type that WebAssembly needs', async () => {
    expect((await at('/assets/ort-abc.wasm')).headers.get('content-type')).toBe('application/wasm');
  });

  it('are sent as they were compressed beforehand, to who can read that', async () => {
    const plain = await at('/assets/index-abc.js', { 'Accept-Encoding': 'identity' });
    expect(await plain.text()).toBe('export {};');
    for (const encoding of ['br', 'gzip']) {
      const head = await fetch(`${server.url}/assets/index-abc.js`, {
        method: 'HEAD',
        headers: { 'Accept-Encoding': encoding },
      });
      expect(head.headers.get('content-encoding')).toBe(encoding);
      expect(head.headers.get('vary')).toContain('Accept-Encoding');
      expect(head.headers.get('content-type')).toContain('javascript');
    }
  });

  it('are not sent again to who has them', async () => {
    const modified = (await at('/favicon.svg')).headers.get('last-modified')!;
    const again = await at('/favicon.svg', { 'If-Modified-Since': modified });
    expect(again.status).toBe(304);
    expect(again.headers.get('content-security-policy')).toBe(CONTENT_SECURITY_POLICY);
    expect((await at('/favicon.svg', { 'If-Modified-Since': new Date(0).toUTCString() })).status).toBe(200);
  });

  it('have no listing', async () => {
    expect((await at('/assets')).status).toBe(404);
    expect((await at('/assets/')).status).toBe(404);
  });
});
