/** Without a network, and with only half of one. */
import { expect, test } from './fixtures.ts';
import { BUILT_PAGE } from './site.ts';
import { staticHost } from './static-hosts.ts';
import { goTo } from './studio.ts';

test.describe('after a first visit', () => {
  test.use({ serviceWorkers: 'allow' });

  test('the page works with its host gone: the table, every step, and a prediction', async ({
    policyPage,
    page,
  }) => {
    test.slow();
    await page.emulateMedia({ reducedMotion: 'reduce' });
    const host = await staticHost(BUILT_PAGE, { under: '/here/' });
    await page.goto(`${host.url}/here/`);
    await policyPage.ready();
    await expect(page.getByText('This page also works offline.')).toBeVisible({ timeout: 120_000 });
    host.close();

    await page.reload();
    await policyPage.ready();
    expect(await page.evaluate(() => window.crossOriginIsolated)).toBe(true);
    await goTo(page, 'Demonstrations');
    await expect(page.getByLabel('Task', { exact: true })).toBeEnabled({ timeout: 60_000 });
    await goTo(page, 'Fine-tune');
    await expect(page.getByRole('heading', { name: 'Fine-tune' })).toBeVisible();
    await goTo(page, 'Share');
    await expect(page.getByRole('heading', { name: 'Share', exact: true })).toBeVisible();
    // Nobody knows whether that host would have kept it.
    await expect(page.getByText(/could not be reached, so nothing can be shared now/)).toBeVisible();
    await page.goBack();
    await expect(page.getByRole('heading', { name: 'Fine-tune' })).toBeVisible();
    await goTo(page, 'Run');
    await page.getByRole('button', { name: 'Do it' }).click();
    await expect(page.getByRole('heading', { name: /^Next \d+ actions/ })).toBeVisible({ timeout: 60_000 });
  });
});

test('a part that cannot be loaded says so by itself, and one wrong address leaves the policy where it is', async ({
  policyPage,
  page,
}) => {
  await policyPage.openAndLoad();
  const part = /\/assets\/finetune-page-/;
  await page.route(part, (route) => route.abort());
  await goTo(page, 'Fine-tune');
  await expect(policyPage.failure('part-missing')).toBeVisible();
  await page.getByRole('button', { name: 'Try again' }).click();
  await expect(policyPage.failure('part-missing')).toBeVisible();
  await page.unroute(part);
  await page.getByRole('button', { name: 'Try again' }).click();
  await expect(page.getByRole('heading', { name: 'Fine-tune' })).toBeVisible();
  // With its styles, whose first fetch had failed.
  expect(
    await page.evaluate(() =>
      [...document.querySelectorAll<HTMLLinkElement>('link[rel=stylesheet]')].every(({ sheet }) => sheet),
    ),
  ).toBe(true);

  await goTo(page, 'Run');
  const address = page.url();
  await page.getByText('About this policy').click();
  await page.getByText('Use another policy').click();
  await page.getByLabel('Address of its manifest.json').fill(new URL('nothing/here.json', address).href);
  await page.getByRole('button', { name: 'Open', exact: true }).click();
  await expect(policyPage.failure('download-failed')).toBeVisible();
  await expect(page.locator('.mast-phase')).toHaveText('Policy ready');
  expect(page.url()).toBe(address);
});
