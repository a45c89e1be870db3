import { expect, test } from './fixtures.ts';

/** `LESSON=begin` ends once training goes on: whether it would all start is known in two minutes. */
const BEGIN_ONLY = process.env['LESSON'] === 'begin';

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
  // How long is said before it starts, from what was measured here.
  await expect(teach.getByRole('status')).toHaveText(/^Takes about \d+ (s|min) on this machine/, {
    timeout: 300_000,
  });
  const announced = await teach.getByRole('status').textContent();
  await teach.getByRole('button', { name: 'Teach it this' }).click();
  const begun = Date.now();
  if (BEGIN_ONLY) {
    await expect(teach).toContainText(/^2 of 3: the lesson, .* left/, { timeout: 900_000 });
    console.log(
      `${announced}; recorded in ${((Date.now() - begun) / 1000).toFixed(0)} s, then “${await teach.textContent()}”`,
    );
    await teach.getByRole('button', { name: 'Stop the lesson' }).click();
    await expect(page.getByRole('button', { name: 'Do it' })).toBeEnabled();
    return;
  }
  await expect(teach.getByRole('status')).toHaveText(
    /^It can do it now\. “.* the can”: (18|19|20) of 20 trials, before [01] of 20\.$/,
    { timeout: 3_300_000 },
  );
  console.log(
    `${announced}; took ${((Date.now() - begun) / 60_000).toFixed(1)} min: ${await teach.getByRole('status').textContent()}`,
  );
  await teach.getByRole('button', { name: 'Watch it' }).click();
  await expect(page.getByRole('region', { name: 'Practice table' }).getByRole('status')).toContainText(
    'Working',
  );
});
