import { expect, test } from './fixtures.ts';

test('a task that was never trained is taught from where it failed, in three clicks', async ({
  policyPage,
  page,
}) => {
  test.setTimeout(3_600_000);
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await policyPage.openTable();
  await policyPage.ready();
  await page.getByLabel('Task', { exact: true }).selectOption('can');
  await page.getByRole('button', { name: 'Do it' }).click();
  const teach = page.getByRole('region', { name: 'Teach it this' });
  // How long is said before it starts.
  await expect(teach).toContainText(/Takes about \d+ (s|min) on this machine/, { timeout: 300_000 });
  await teach.getByRole('button', { name: 'Teach it this' }).click();
  await expect(teach.getByRole('status')).toHaveText(
    /^It can do it now\. “.* the can”: (18|19|20) of 20 trials, before [01] of 20\.$/,
    { timeout: 3_300_000 },
  );
  await teach.getByRole('button', { name: 'Watch it' }).click();
  await expect(page.getByRole('region', { name: 'Practice table' }).getByRole('status')).toContainText(
    'Working',
  );
});
