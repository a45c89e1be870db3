/** Datasets as people have them: packed by other systems, on hosts that compress, on the Hub. */
import type { Page } from '@playwright/test';
import { fixtureFiles } from '../tests/episodes/fixture-source.ts';
import { hubDouble } from '../tests/io/hub-double.ts';
import { quirkyHost } from '../tests/io/quirky-host.ts';
import { expect, test } from './fixtures.ts';
import { routeHub } from './route-hub.ts';
import { episodes, goTo } from './studio.ts';

async function openPicker(page: Page): Promise<void> {
  await goTo(page, 'Demonstrations');
  await page.getByRole('tab', { name: 'Open a dataset' }).click();
}

async function typeAddress(page: Page, text: string): Promise<void> {
  await page.getByLabel('or an address, or a Hub repository').fill(text);
  await page.getByRole('button', { name: 'Open', exact: true }).click();
}

test('zips of the Finder and of Windows open', { tag: '@full' }, async ({ policyPage, page }) => {
  await policyPage.openAndLoad();
  await openPicker(page);
  for (const [zip, count] of [
    ['dataset-zip-finder.zip', 2],
    ['dataset-zip-backslashes.zip', 6],
  ] as const) {
    await page.getByLabel('Choose a zip or HDF5 files').setInputFiles(`tests/io/fixtures/${zip}`);
    await expect(episodes(page).getByRole('listitem')).toHaveCount(count);
  }
  expect(policyPage.pageErrors).toEqual([]);
});

test(
  'a host that compresses and refuses HEAD is read, and what is no address is answered',
  { tag: '@full' },
  async ({ policyPage, page }) => {
    const host = await quirkyHost(await fixtureFiles('v30'), { gzip: true, refusesHead: true, cors: true });
    await policyPage.openAndLoad();
    await openPicker(page);
    await typeAddress(page, 'http://[x');
    await expect(page.getByText('"http://[x" is not an address that can be opened.')).toBeVisible();
    await typeAddress(page, host.url);
    await expect(episodes(page).getByRole('listitem')).toHaveCount(6);
    expect(policyPage.pageErrors).toEqual([]);
    await host.close();
  },
);

test(
  'a gated Hub repository opens by its name, with a token',
  { tag: '@full' },
  async ({ policyPage, page }) => {
    const hub = await hubDouble(
      { 'datasets/lerobot/mine': await fixtureFiles('v30') },
      { token: 'hf_reader', uses: 2 },
    );
    await routeHub(page, hub);
    await policyPage.openAndLoad();
    await openPicker(page);
    await typeAddress(page, 'lerobot/mine');
    await expect(page.getByText('private or gated', { exact: false }).first()).toBeVisible();
    await page.getByText('Private or gated on the Hub?').click();
    await page.getByLabel('Access token that may read it').fill('hf_reader');
    await page.getByRole('button', { name: 'Open', exact: true }).click();
    await expect(episodes(page).getByRole('listitem')).toHaveCount(6);
    // Signed addresses were used, and none of their hosts saw the token.
    expect(hub.storageRequests.length).toBeGreaterThan(1);
    expect(hub.storageRequests.some((request) => request.endsWith(' token'))).toBe(false);
    expect(policyPage.pageErrors).toEqual([]);
    await hub.close();
  },
);
