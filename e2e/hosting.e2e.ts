/** One build, on every kind of host: the table is at work, the policy predicts, and links lead back. */
import type { Page } from '@playwright/test';
import { SHARE_FORMAT_VERSION, encodeShare, type ShareManifest } from '../src/share/share-manifest.ts';
import { expect, test } from './fixtures.ts';
import { hostFile } from './hosts.ts';
import { BUILT_PAGE, TINY_POLICY } from './site.ts';
import { staticHost, type HostKind } from './static-hosts.ts';

test.slow();
test.use({ serviceWorkers: 'allow' });

const isolated = (page: Page) => page.evaluate(() => window.crossOriginIsolated);
const outcome = (page: Page) => page.getByRole('region', { name: 'Practice table' }).getByRole('status');

/** A share of the policy that ships with the page, without an adapter. */
function shareOf(title: string): ShareManifest {
  return {
    formatVersion: SHARE_FORMAT_VERSION,
    title,
    author: '',
    note: '',
    createdAt: '2026-01-02T03:04:05.678Z',
    policy: { name: 'practice', sha256: 'a'.repeat(64), url: null },
    adapter: null,
    scene: { view: 'table', task: 'can', seed: 7, instruction: 'lift', execute: 4, ensemble: false },
    training: null,
    success: [],
  };
}

/** Counts how often the page is loaded. */
function loads(page: Page): () => number {
  let count = 0;
  page.on('domcontentloaded', () => count++);
  return () => count;
}

const HOSTS: readonly [name: string, kind: HostKind][] = [
  ['at the root of a host without headers', {}],
  ['in a folder of a host', { under: '/openvla-web/' }],
  ['on a host that compresses and gives no lengths', { gzip: true }],
  ['on a host that answers everything with the page', { fallback: true }],
];

for (const [name, kind] of HOSTS) {
  test(
    `${name} the table is at work, with threads, after one reload`,
    { tag: kind.under ? [] : '@full' },
    async ({ page, policyPage }) => {
      const host = await staticHost(BUILT_PAGE, kind);
      const count = loads(page);
      await page.goto(`${host.url}${kind.under ?? '/'}`);
      await policyPage.ready();
      await expect(outcome(page)).toContainText(/Working|Done/, { timeout: 60_000 });
      expect(await isolated(page)).toBe(true);
      expect(count()).toBe(2);
      // The service worker is there now: no reload any more.
      await page.reload();
      await policyPage.ready();
      expect(await isolated(page)).toBe(true);
      expect(count()).toBe(3);
      host.close();
    },
  );
}

test(
  'in a folder a policy predicts and a link opens what it shares',
  { tag: '@full' },
  async ({ page, policyPage }) => {
    const under = '/some/where/';
    const host = await staticHost(BUILT_PAGE, { under });
    await page.goto(`${host.url}${under}?view=camera&policy=${encodeURIComponent(TINY_POLICY)}`);
    await policyPage.loadButton.click();
    await policyPage.ready();
    await policyPage.useCameras();
    await policyPage.instruction.fill('lift the can');
    await policyPage.predictOnce();
    expect((await policyPage.shownChunk()).flat().every(Number.isFinite)).toBe(true);

    await page.goto(`${host.url}${under}#share=${await encodeShare(shareOf('In a folder'))}`);
    await page.reload();
    await expect(page.getByRole('region', { name: 'Shared with you' })).toContainText('In a folder');
    host.close();
  },
);

test(
  '?coi=0 leaves the host as it is, and takes the service worker away',
  { tag: '@full' },
  async ({ page, policyPage }) => {
    const host = await staticHost(BUILT_PAGE);
    const registered = () =>
      page.evaluate(async () => (await navigator.serviceWorker.getRegistrations()).length);
    await page.goto(`${host.url}/?coi=0`);
    await policyPage.ready();
    expect(await isolated(page)).toBe(false);
    expect(await registered()).toBe(0);
    await page.goto(host.url);
    await policyPage.ready();
    expect(await isolated(page)).toBe(true);
    const count = loads(page);
    await page.goto(`${host.url}/?coi=0`);
    await policyPage.ready();
    expect(await isolated(page)).toBe(false);
    expect(await registered()).toBe(0);
    expect(count()).toBeLessThanOrEqual(2);
    host.close();
  },
);

test(
  'a service worker that cannot be had is not asked for again',
  { tag: '@full' },
  async ({ page, policyPage }) => {
    const host = await staticHost(BUILT_PAGE);
    await page.route('**/service-worker.js', (route) => route.abort());
    await page.addInitScript(() => {
      Object.defineProperty(ServiceWorkerContainer.prototype, 'register', {
        value: () => Promise.reject(new DOMException('Not in this window.', 'SecurityError')),
      });
    });
    const count = loads(page);
    await page.goto(host.url);
    await policyPage.ready();
    expect(await isolated(page)).toBe(false);
    expect(count()).toBe(1);
    host.close();
  },
);

test('inside another page it works on one thread', { tag: '@full' }, async ({ page }) => {
  const host = await staticHost(BUILT_PAGE, { under: '/app/' });
  const outer = await staticHost(BUILT_PAGE, {
    under: '/nothing/',
    pages: { '/': `<!doctype html><iframe width=1200 height=900 src="${host.url}/app/"></iframe>` },
  });
  await page.goto(outer.url);
  const frame = page.frameLocator('iframe');
  await expect(frame.locator('.mast-phase')).toHaveText(/Policy ready|Predicting|Finishing/, {
    timeout: 120_000,
  });
  outer.close();
  host.close();
});

test('a policy on another host, named by a link, is fetched after a yes', async ({ page, policyPage }) => {
  const elsewhere = await hostFile('manifest.json', Buffer.from('{}'));
  await policyPage.open(`?policy=${encodeURIComponent(elsewhere.address)}`);
  const ask = page.getByRole('button', { name: 'Look at it' });
  await expect(ask).toBeVisible();
  await expect(page.getByText(new URL(elsewhere.address).host)).toBeVisible();
  await page.waitForTimeout(1000);
  expect(elsewhere.requests()).toBe(0);
  await ask.click();
  await expect(policyPage.failure('bad-package')).toBeVisible();
  expect(elsewhere.requests()).toBeGreaterThan(0);
  elsewhere.close();
});
