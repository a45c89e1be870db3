/** One journey for each state that a browser can be in: the shipped policy runs, and what does not work is said where it is missing. */
import type { Page } from '@playwright/test';
import { expect, test } from './fixtures.ts';
import type { PolicyPage } from './policy-page.ts';
import { BUILT_PAGE } from './site.ts';
import { staticHost } from './static-hosts.ts';
import { goTo } from './studio.ts';

test.slow();
test.use({ serviceWorkers: 'block' });

/** Overrides of browser APIs as text, for the page and for its workers, before anything of either asks for them. */
const STATES = {
  'without OPFS': `delete StorageManager.prototype.getDirectory;`,
  'with an OPFS that refuses, as in private windows': `
    StorageManager.prototype.getDirectory = () => Promise.reject(new DOMException('Refused.', 'SecurityError'));`,
  'without IndexedDB': `Object.defineProperty(globalThis, 'indexedDB', { get: () => undefined });`,
  'with an IndexedDB that refuses': `
    IDBFactory.prototype.open = () => { throw new DOMException('Refused.', 'SecurityError'); };`,
  'without WebGPU': `
    Object.defineProperty(Object.getPrototypeOf(navigator), 'gpu', { get: () => undefined });`,
  'with its storage full': `
    const full = () => { throw new DOMException('Full.', 'QuotaExceededError'); };
    if (globalThis.FileSystemSyncAccessHandle) FileSystemSyncAccessHandle.prototype.write = full;
    FileSystemFileHandle.prototype.createWritable = () => Promise.reject(new DOMException('Full.', 'QuotaExceededError'));
    Storage.prototype.setItem = full;`,
} as const;

const WITHOUT_STORAGE_IN_PAGE = /Storage\.prototype\.setItem[^;]*;/;

/** Overrides in the page before its scripts, and in each worker before the code of its script. */
async function put(page: Page, override: string): Promise<void> {
  await page.addInitScript(override);
  await page.route(/\/assets\/[\w-]*worker[\w-]*\.js$/, async (route) => {
    const response = await route.fetch();
    // Workers have no localStorage.
    const body = `${override.replace(WITHOUT_STORAGE_IN_PAGE, '')}\n${await response.text()}`;
    await route.fulfill({ response, body });
  });
}

/** The policy of the page is there and acts on the table. */
async function expectAtWork(page: Page, policyPage: PolicyPage): Promise<void> {
  await policyPage.ready();
  await page.getByRole('button', { name: 'Do it' }).click();
  await expect(page.getByRole('heading', { name: /^Next \d+ actions/ })).toBeVisible({ timeout: 120_000 });
}

for (const [name, override] of Object.entries(STATES)) {
  test(`${name} the shipped policy is at work`, async ({ page, policyPage }) => {
    await put(page, override);
    await policyPage.openTable();
    await expectAtWork(page, policyPage);
    await goTo(page, 'Fine-tune');
    await expect(page.getByRole('heading', { name: 'Fine-tune', exact: true })).toBeVisible();
    console.log(name, '::', await page.locator('main').innerText());
  });
}

test('over http on a LAN address the shipped policy is at work', async ({ page, policyPage }) => {
  const host = await staticHost(BUILT_PAGE);
  // No name is looked up: the answers come from the host.
  await page.route('http://policy.lan/**', async (route) => {
    const url = route.request().url().replace('http://policy.lan', host.url);
    await route.fulfill({ response: await route.fetch({ url }) });
  });
  await page.goto('http://policy.lan/');
  expect(await page.evaluate(() => [isSecureContext, typeof crypto.subtle])).toEqual([false, 'undefined']);
  await expectAtWork(page, policyPage);
  await goTo(page, 'Fine-tune');
  console.log('lan ::', await page.locator('main').innerText());
  host.close();
});

test('without WebGL it is said on the table, and images of the visitor are predicted', async ({
  page,
  policyPage,
}) => {
  await put(
    page,
    `for (const canvas of [globalThis.HTMLCanvasElement, globalThis.OffscreenCanvas]) {
      if (!canvas) continue;
      const real = canvas.prototype.getContext;
      canvas.prototype.getContext = function (kind, ...rest) {
        return /^webgl/.test(kind) ? null : real.call(this, kind, ...rest);
      };
    }`,
  );
  await policyPage.openTable();
  await policyPage.ready();
  console.log('webgl ::', await page.locator('main').innerText());
});
