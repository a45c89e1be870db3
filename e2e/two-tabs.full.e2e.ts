import type { Page } from '@playwright/test';
import { serveDataset } from './demo-dataset.ts';
import { expect, test } from './fixtures.ts';
import { PolicyPage } from './policy-page.ts';
import { goTo, openDataset } from './studio.ts';

const teach = (page: Page) => page.getByRole('region', { name: 'Fine-tune' });

async function startRun(page: Page, name: string, steps: number): Promise<void> {
  await goTo(page, 'Fine-tune');
  await page.getByLabel('Name of the run').fill(name);
  await teach(page)
    .getByRole('spinbutton', { name: /^Steps max_steps/ })
    .fill(String(steps));
  await teach(page)
    .getByRole('spinbutton', { name: /^Samples per step/ })
    .fill('1');
  await page.getByRole('button', { name: 'Start training' }).click();
}

const stepOf = async (page: Page, steps: number) =>
  parseInt(
    (await teach(page)
      .getByText(new RegExp(`^\\d+ of ${steps}$`))
      .textContent())!,
    10,
  );

test('two tabs do not train a run of one name at once: the second is told so, and nothing is lost', async ({
  policyPage,
  page,
  context,
}) => {
  test.slow();
  await serveDataset(page, 'v21');
  await policyPage.openAndLoad();
  await openDataset(page, 'v21');
  await startRun(page, 'the same', 400);
  await expect(teach(page).getByText(/^([1-9]|\d\d+) of 400$/)).toBeVisible({ timeout: 60_000 });

  const other = new PolicyPage(await context.newPage());
  await serveDataset(other.page, 'v21');
  await other.open();
  await other.ready();
  await openDataset(other.page, 'v21');
  await startRun(other.page, 'the same', 400);
  await expect(other.failure('busy')).toContainText('The run "the same" is being trained in another tab.', {
    timeout: 60_000,
  });
  await expect(other.failure('busy')).toContainText('Choose another name');

  // The first goes on as if nothing had been, and the second can train under another name meanwhile.
  const before = await stepOf(page, 400);
  await startRun(other.page, 'another', 2);
  await expect(teach(other.page).getByRole('status')).toHaveText('Done', { timeout: 120_000 });
  await expect.poll(() => stepOf(page, 400)).toBeGreaterThan(before);
  await page.getByRole('button', { name: 'Stop and keep' }).click();
  await expect(teach(page).getByRole('status')).toHaveText('Stopped', { timeout: 60_000 });

  // Both are on this device, for any tab.
  await page.reload();
  await policyPage.ready();
  await expect(teach(page).getByText(/stopped at step \d+ of 400/)).toBeVisible();
  await expect(teach(page).getByText('done, 2 steps on v21')).toBeVisible();
  expect(other.pageErrors).toEqual([]);
});
