import { readFile } from 'node:fs/promises';
import { expect, test } from './fixtures.ts';
import { hostFile, hostFolder } from './hosts.ts';
import { banner, link, ready, shareButton, shareOverABadLine, SLOW } from './share-page.ts';
import { BUILT_PAGE } from './site.ts';
import { goTo, openFresh, teachLittle } from './studio.ts';
import { violationsInBothSchemes } from './violations.ts';

// A policy is taught, and loaded again by whoever opens the link.
test.slow();

test(
  'an upload that breaks off goes on by itself where it stopped',
  { tag: '@full' },
  async ({ policyPage, page, baseURL }) => {
    const line = await shareOverABadLine(policyPage, baseURL!);
    await expect(page.getByText('Connection lost; trying again…')).toBeVisible(SLOW);
    expect(line.broken()).toBe(true);
    const before = line.parts.length;
    line.mend();
    await expect(link(policyPage)).toBeVisible(SLOW);
    // What the server had written by then is not sent again; the last of what got through it may have lost.
    const [first, ...later] = [line.parts[0]!, ...line.parts.slice(before)];
    expect(first.offset).toBe(0);
    expect(later[0]!.offset).toBeGreaterThan(0);
    expect(later[0]!.offset).toBeLessThanOrEqual(first.bytes);
    line.close();
  },
);

test(
  'a link of a static host carries everything but the adapter, which is fetched after a yes',
  { tag: '@full' },
  async ({ page, policyPage, browser }) => {
    const site = await hostFolder(BUILT_PAGE);
    await page.emulateMedia({ reducedMotion: 'reduce' });
    await page.goto(site.url);
    await policyPage.ready();
    await teachLittle(page);
    await goTo(page, 'Run');
    await page.getByLabel('Task', { exact: true }).selectOption('can');
    await goTo(page, 'Share');
    await expect(page.getByText('This site has no share server')).toBeVisible();
    await page.getByLabel('Title').fill('From a static host');
    const saving = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Download the adapter file' }).click();
    const saved = await saving;
    expect(saved.suggestedFilename()).toMatch(/^adapter-[0-9a-f]{12}\.safetensors$/);
    const elsewhere = await hostFile(saved.suggestedFilename(), await readFile(await saved.path()));
    const make = page.getByRole('button', { name: 'Create link' });
    await expect(make).toBeDisabled();
    await page.getByLabel('Address of the adapter file').fill(elsewhere.address);
    await make.click();
    const url = await link(policyPage).inputValue();
    expect(url.startsWith(`${site.url}/#share=`)).toBe(true);
    expect(elsewhere.requests()).toBe(0);

    const visitor = await openFresh(browser, url);
    await expect(banner(visitor)).toContainText('From a static host');
    await expect(banner(visitor)).toContainText(`Downloads files from ${new URL(elsewhere.url).host}.`);
    // The policy that ships with the page is the page's own; nothing else is fetched unasked.
    await visitor.ready();
    expect(elsewhere.requests()).toBe(0);
    await banner(visitor).getByRole('button', { name: 'Load', exact: true }).click();
    await expect(ready(visitor)).toBeVisible(SLOW);
    expect(elsewhere.requests()).toBeGreaterThan(0);
    await expect(visitor.page.getByLabel('Task', { exact: true })).toHaveValue('can');
    await visitor.page.getByRole('button', { name: 'Do it' }).click();
    await expect(visitor.chunk).toBeVisible(SLOW);
    await visitor.page.keyboard.press('Escape');
    await goTo(visitor.page, 'Models');
    await expect(visitor.page.getByRole('radio', { name: /^From a static host \(shared\)/ })).toBeChecked();
    expect(visitor.pageErrors).toEqual([]);
    await visitor.page.context().close();

    // Where the file is gone, the page says so and goes on without.
    elsewhere.close();
    const late = await openFresh(browser, url);
    await banner(late).getByRole('button', { name: 'Load', exact: true }).click();
    await expect(late.failure('download-failed')).toContainText('could not be fetched', SLOW);
    await expect(late.page.getByRole('button', { name: 'Do it' })).toBeEnabled();
    await late.page.context().close();
    site.close();
  },
);

test(
  'a link that was cut off is opened once it is put right in the address',
  { tag: '@full' },
  async ({ page, policyPage }) => {
    const site = await hostFolder(BUILT_PAGE);
    await page.emulateMedia({ reducedMotion: 'reduce' });
    await page.goto(`${site.url}/?step=share`);
    await policyPage.ready();
    await page.getByLabel('Title').fill('Only a table');
    // Without an adapter there is nothing to put anywhere.
    await page.getByRole('button', { name: 'Create link' }).click();
    const { hash } = new URL(await link(policyPage).inputValue());

    await page.goto(`${site.url}/${hash.slice(0, -9)}`);
    await expect(banner(policyPage)).toContainText('This shared link could not be opened');
    await expect(page.getByRole('button', { name: 'Do it' })).toBeEnabled(SLOW);
    // The rest of the address stays as it is now: on its own the browser would not load the page again.
    await expect(page).toHaveURL(/instruction=/);
    const address = new URL(page.url());
    address.hash = hash;
    await page.goto(address.href);
    await expect(banner(policyPage)).toContainText('Only a table');
    await expect(ready(policyPage)).toBeVisible(SLOW);
    site.close();
  },
);

test(
  'axe finds nothing serious about a share, made or opened',
  { tag: '@full' },
  async ({ policyPage, page, browser }) => {
    await policyPage.openTable('?step=share');
    await policyPage.ready();
    await page.getByLabel('Title').fill('Just as it was loaded');
    await page.getByLabel('Description (optional)').fill('Nothing was taught.\nIt is shared all the same.');
    await page.getByText('What is shared').click();
    await shareButton(policyPage).click();
    await expect(link(policyPage)).toBeVisible(SLOW);
    await expect(page.getByText('Shared from this browser')).toBeVisible();
    expect(await violationsInBothSchemes(page)).toEqual([]);

    const visitor = await openFresh(browser, await link(policyPage).inputValue());
    await expect(ready(visitor)).toBeVisible(SLOW);
    await visitor.page.getByText('Details', { exact: true }).click();
    expect(await violationsInBothSchemes(visitor.page)).toEqual([]);
    await visitor.page.context().close();

    await page.getByRole('button', { name: 'Delete from the server' }).click();
    await page.getByRole('button', { name: 'Delete for good' }).click();
    await expect(page.getByText('Shared from this browser')).toHaveCount(0);
  },
);
