import type { Page } from '@playwright/test';
import { datasetFolder, serveDataset } from './demo-dataset.ts';
import { chooseSmallRun, main, setNumber, shownLoss, teach } from './finetune-page.ts';
import { expect, test } from './fixtures.ts';
import type { PolicyPage } from './policy-page.ts';
import { furthest, goTo, openDataset } from './studio.ts';
import { gradientImage } from './test-media.ts';

async function chooseFolder(page: Page): Promise<void> {
  await goTo(page, 'Demonstrations');
  await page.getByRole('tab', { name: 'Open a dataset' }).click();
  await main(page).getByLabel('Choose a folder').setInputFiles(datasetFolder('v30'));
}

/** Leads to the step of running and back to that of training. */
async function predictStill(policyPage: PolicyPage): Promise<number[][]> {
  await goTo(policyPage.page, 'Run');
  await policyPage.predictOnce();
  const chunk = await policyPage.shownChunk();
  await goTo(policyPage.page, 'Fine-tune');
  return chunk;
}

async function feedStills(policyPage: PolicyPage): Promise<void> {
  await goTo(policyPage.page, 'Run');
  for (const slot of [0, 1]) await policyPage.useFile(slot, gradientImage(96 + 16 * slot, 80));
  await policyPage.instruction.fill('push the red block to the left');
}

test('a policy is fine-tuned, survives a reload in mid-run, is exported, and predicts the same when imported', async ({
  policyPage,
  page,
}, info) => {
  test.slow();
  await serveDataset(page, 'v21');
  await policyPage.openAndLoad();
  await feedStills(policyPage);
  const before = await predictStill(policyPage);

  await openDataset(page, 'v21');
  await expect(main(page).getByText('LeRobot v2.1, 20 Hz')).toBeVisible();
  await chooseSmallRun(page, 'left and right', 40);
  await expect(page.getByTestId('trainable')).toContainText('%');
  await page.getByRole('button', { name: 'Start training' }).click();
  await expect(teach(page).getByText(/^at step ([4-9]|\d\d)$/)).toBeVisible();
  // Predictions are answered in between.
  expect(furthest(await predictStill(policyPage), before)).toBeGreaterThan(0);

  await page.getByRole('button', { name: 'Pause' }).click();
  await expect(teach(page).getByText('Paused')).toBeVisible();
  await page.getByRole('button', { name: 'Continue' }).click();
  await expect(teach(page).getByRole('status')).not.toHaveText('Paused');

  await page.reload();
  await policyPage.ready();
  await expect(teach(page).getByText(/stopped at step \d+ of 40/)).toBeVisible();
  await expect(teach(page).getByText('“left and right” was interrupted. It goes on from step')).toBeVisible();
  await page.getByRole('button', { name: 'Resume' }).click();
  await expect(teach(page).getByRole('status')).toHaveText('Done', { timeout: 180_000 });
  const loss = await shownLoss(page);
  info.annotations.push({ type: 'loss', description: `${loss.first} to ${loss.last}` });
  expect(loss.points).toBe(40);
  expect(loss.last).toBeLessThan(0.8 * loss.first);
  await expect(teach(page).getByText('done, 40 steps on v21')).toBeVisible();

  await feedStills(policyPage);
  const trained = await predictStill(policyPage);
  expect(furthest(trained, before)).toBeGreaterThan(1e-3);
  const downloading = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Export checkpoint' }).click();
  const download = await downloading;
  expect(download.suggestedFilename()).toBe('left and right--40_chkpt.zip');
  const zip = info.outputPath('exported.zip');
  await download.saveAs(zip);

  await page.getByLabel('Original policy').check();
  expect(furthest(await predictStill(policyPage), before)).toBeLessThanOrEqual(1e-6);
  await page.getByLabel('Import a checkpoint zip').setInputFiles(zip);
  await expect(page.getByRole('radio', { name: /\(imported\)/ })).toBeChecked();
  expect(furthest(await predictStill(policyPage), trained)).toBeLessThanOrEqual(1e-6);

  // Another run goes on from there: with a learning rate of next to nothing it stays there.
  await page.getByLabel('Start from').selectOption({ label: 'left and right (imported) at step 40' });
  await page.getByLabel('Name of the run').fill('further');
  await setNumber(page, /^Steps max_steps/, '1');
  await setNumber(page, /^Learning rate/, '1e-9');
  await page.getByRole('button', { name: 'Start training' }).click();
  await expect(page.getByRole('radio', { name: /^further/ })).toBeChecked();
  expect(furthest(await predictStill(policyPage), trained)).toBeLessThanOrEqual(1e-5);
});

test(
  'a run can be stopped and used; deleting it asks first',
  { tag: '@full' },
  async ({ policyPage, page }) => {
    await policyPage.openAndLoad();
    await chooseFolder(page);
    await expect(main(page).getByText('LeRobot v3.0, 20 Hz')).toBeVisible();
    await chooseSmallRun(page, 'stopped', 500);
    await page.getByRole('button', { name: 'Start training' }).click();
    await expect(teach(page).getByText(/^([3-9]|\d\d) of 500$/)).toBeVisible();
    await page.getByRole('button', { name: 'Stop and keep' }).click();
    await expect(teach(page).getByRole('status')).toHaveText('Stopped');
    await expect(teach(page).getByText(/stopped at step \d+ of 500/)).toBeVisible();
    await expect(page.getByRole('radio', { name: /^stopped/ })).toBeChecked();

    await page.reload();
    await policyPage.ready();
    // Files are gone after a reload, so it asks for them.
    await page.getByRole('button', { name: 'Resume' }).click();
    await expect(teach(page).getByText('has to be opened again')).toBeVisible();
    await chooseFolder(page);
    // The run goes on by itself.
    await goTo(page, 'Fine-tune');
    await expect(teach(page).getByRole('button', { name: 'Stop and keep' })).toBeVisible();
    await page.getByRole('button', { name: 'Stop and keep' }).click();
    await expect(teach(page).getByRole('status')).toHaveText('Stopped');

    await page.getByRole('button', { name: 'Delete', exact: true }).click();
    await page.getByRole('button', { name: 'Keep' }).click();
    await expect(teach(page).getByText(/stopped at step \d+ of 500/)).toBeVisible();
    await page.getByRole('button', { name: 'Delete', exact: true }).click();
    await page.getByRole('button', { name: 'Delete for good' }).click();
    await expect(teach(page).getByText(/stopped at step \d+ of 500/)).toHaveCount(0);
  },
);

test(
  'a full disk is said, training goes on, and what was saved stays',
  { tag: '@full' },
  async ({ policyPage, page }) => {
    await serveDataset(page, 'v21');
    await policyPage.openAndLoad();
    await openDataset(page, 'v21');
    await chooseSmallRun(page, 'full disk', 500);
    await page.getByRole('button', { name: 'Start training' }).click();
    await expect(teach(page).getByText(/^at step \d+$/)).toBeVisible();
    const devtools = await page.context().newCDPSession(page);
    const { origin } = new URL(page.url());
    await devtools.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 1 });
    await expect(policyPage.failure('storage-full')).toContainText('no room left');
    const saved = await teach(page)
      .getByText(/^at step \d+$/)
      .textContent();
    const step = teach(page).getByText(/^\d+ of 500$/);
    const before = parseInt((await step.textContent())!, 10);
    await expect.poll(async () => parseInt((await step.textContent())!, 10)).toBeGreaterThan(before);
    expect(
      await teach(page)
        .getByText(/^at step \d+$/)
        .textContent(),
    ).toBe(saved);

    await devtools.send('Storage.overrideQuotaForOrigin', { origin });
    await expect(policyPage.failure('storage-full')).toHaveCount(0);
    await page.getByRole('button', { name: 'Stop and keep' }).click();
    await expect(teach(page).getByRole('status')).toHaveText('Stopped');
  },
);

test('demonstrations that do not fit, and what is none, are refused with the reason', async ({
  policyPage,
  page,
}) => {
  await serveDataset(page, 'v21', {
    alter: (info) => info.replace('"fps": 20', '"fps": 5'),
    video: 'mpeg4.mp4',
  });
  await policyPage.openAndLoad();
  await openDataset(page, 'nothing');
  await expect(main(page).getByRole('alert')).toContainText('no meta/info.json');
  await main(page)
    .getByLabel('Choose a zip')
    .setInputFiles({ name: 'x.zip', mimeType: 'application/zip', buffer: Buffer.from('no zip') });
  await expect(main(page).getByRole('alert')).toContainText('x.zip is not a zip');
  await openDataset(page, 'v21');
  const refused = main(page).getByRole('alert').filter({ hasText: 'The policy cannot be trained on these' });
  // Steps of another length are another robot's; what cannot be seen is nobody's.
  await expect(main(page).getByText('a new one: 7 action values')).toBeVisible();
  await expect(refused).toContainText('which this browser cannot decode');
  await expect(refused).toContainText('Re-encode the videos');
  await expect(page.getByRole('button', { name: 'Fine-tune on these' })).toBeDisabled();
});

test('wrong settings are said beside the field, and nothing starts', async ({ policyPage, page }) => {
  await serveDataset(page, 'v21');
  await policyPage.openAndLoad();
  await openDataset(page, 'v21');
  await goTo(page, 'Fine-tune');
  await expect(page.getByRole('button', { name: 'Start training' })).toBeEnabled();
  await setNumber(page, /^Samples per step/, '0');
  await expect(teach(page).getByText('A whole number from 1 to 256.')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Start training' })).toBeDisabled();
  await setNumber(page, /^Samples per step/, '2');
  await expect(page.getByRole('button', { name: 'Start training' })).toBeEnabled();
});
