/** One journey for each state that a browser can be in: the shipped policy runs, and what does not work is said where it is missing. */
import type { Page } from '@playwright/test';
import { serveDataset } from './demo-dataset.ts';
import { chooseSmallRun, teach } from './finetune-page.ts';
import { expect, test } from './fixtures.ts';
import type { PolicyPage } from './policy-page.ts';
import { BUILT_PAGE } from './site.ts';
import { staticHost } from './static-hosts.ts';
import { goTo, openDataset } from './studio.ts';
import { gradientImage } from './test-media.ts';

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
} as const;

const KEPT_NOWHERE = /gone when the page is closed/;

/** Overrides in the page before its scripts, and in each worker before the code of its script. */
async function put(page: Page, override: string): Promise<void> {
  await page.addInitScript(override);
  await page.route(/\/assets\/[\w-]*worker[\w-]*\.js$/, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: `${override}\n${await response.text()}` });
  });
}

/** The policy of the page is there and acts on the table. */
async function expectAtWork(page: Page, policyPage: PolicyPage): Promise<void> {
  await policyPage.ready();
  const outcome = page.getByRole('region', { name: 'Practice table', exact: true }).getByRole('status');
  await expect(outcome).toContainText(/Working|Done/, { timeout: 120_000 });
}

for (const [name, override] of Object.entries(STATES)) {
  test(`${name} the shipped policy is at work`, async ({ page, policyPage }) => {
    await put(page, override);
    await policyPage.openTable();
    await expectAtWork(page, policyPage);
    await goTo(page, 'Fine-tune');
    await expect(page.getByRole('heading', { name: 'Fine-tune', exact: true })).toBeVisible();
    await expect(page.getByText(KEPT_NOWHERE)).toBeVisible({ visible: name.includes('OPFS') });
  });
}

test('without WebGL the table says that it cannot be drawn, and the policy predicts from pictures', async ({
  page,
  policyPage,
}) => {
  await put(
    page,
    `for (const canvas of [globalThis.OffscreenCanvas, globalThis.HTMLCanvasElement]) {
      const { getContext } = canvas?.prototype ?? {};
      if (canvas)
        canvas.prototype.getContext = function (kind, ...rest) {
          return /^webgl/.test(kind) ? null : getContext.call(this, kind, ...rest);
        };
    }
    Object.defineProperty(Object.getPrototypeOf(navigator), 'gpu', { get: () => undefined });`,
  );
  await policyPage.openTable();
  await policyPage.ready();
  await expect(page.getByText('The practice table cannot be drawn here')).toBeVisible();
  await page.getByRole('button', { name: 'Camera', exact: true }).click();
  for (const slot of [0, 1]) await policyPage.useFile(slot, gradientImage(96 + 16 * slot, 80));
  await policyPage.instruction.fill('lift the red block');
  await policyPage.predictOnce();
});

test('with a full disk the shipped policy is at work and can be taught, and what is not kept is said', async ({
  page,
  policyPage,
}) => {
  const devTools = await page.context().newCDPSession(page);
  await devTools.send('Storage.overrideQuotaForOrigin', {
    origin: new URL(test.info().project.use.baseURL!).origin,
    quotaSize: 100_000,
  });
  await serveDataset(page, 'v21');
  await policyPage.openTable();
  await expectAtWork(page, policyPage);
  await expect(page.getByText('This device has no room to keep the policy')).toBeVisible();
  await openDataset(page, 'v21');
  await chooseSmallRun(page, 'no room', 4);
  await page.getByRole('button', { name: 'Start training' }).click();
  await expect(teach(page).getByRole('status').first()).toHaveText('Done', { timeout: 180_000 });
  await expect(policyPage.failure('storage-full').first()).toBeVisible();
  const downloading = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Export checkpoint' }).click();
  expect((await downloading).suggestedFilename()).toBe('no room--4_chkpt.zip');
});

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
  await expect(page.getByText(KEPT_NOWHERE)).toBeVisible();
  host.close();
});
