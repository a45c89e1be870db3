/**
 * Datasets of other robots, each taught to the shipped policy for a hundred steps with either head, and shared. A measurement, run by hand:
 * `DATASETS=../shared/datasets npx playwright test --project lesson e2e/robots`.
 */
import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Page } from '@playwright/test';
import { main, setNumber, shownLoss, teach } from './finetune-page.ts';
import { expect, test } from './fixtures.ts';
import type { PolicyPage } from './policy-page.ts';
import { furthest, goTo, openFresh } from './studio.ts';
import { gradientImage } from './test-media.ts';

const FOLDER = process.env['DATASETS'];
const STEPS = process.env['LESSON'] === 'begin' ? 4 : 100;

interface Robot {
  readonly dataset: string;
  readonly actions: number;
  readonly unit: string;
  /** Its actions are all one number, which is what their mean predicts. */
  readonly constant?: boolean;
}

const ROBOTS: readonly Robot[] = [
  { dataset: 'lerobot-v30-so101-av1', actions: 6, unit: 'deg' },
  // Its numbers go to ±59, more than a turn in radians.
  { dataset: 'lerobot-v30-aloha', actions: 14, unit: 'deg' },
  { dataset: 'rlds-libero-spatial-no-noops', actions: 7, unit: 'gripper' },
  { dataset: 'hdf5-aloha', actions: 14, unit: 'rad', constant: true },
];

async function open(page: Page, { dataset }: Robot): Promise<void> {
  await goTo(page, 'Demonstrations');
  await page.getByRole('tab', { name: 'Open a dataset' }).click();
  const folder = resolve(FOLDER!, dataset, 'dataset');
  const hdf5 = readdirSync(folder).filter((name) => /\.(hdf5|h5)$/.test(name));
  if (hdf5.length > 0)
    await page.getByLabel('Choose a zip or HDF5 files').setInputFiles(hdf5.map((name) => join(folder, name)));
  else await main(page).getByLabel('Choose a folder').setInputFiles(folder);
}

async function predict(policyPage: PolicyPage): Promise<number[][]> {
  const { page } = policyPage;
  await goTo(page, 'Run');
  await page.getByRole('button', { name: 'Camera', exact: true }).click();
  await expect(policyPage.slots.first()).toBeVisible();
  for (let slot = 0; slot < (await policyPage.slots.count()); slot++)
    await policyPage.useFile(slot, gradientImage(96 + 16 * slot, 80));
  await policyPage.instruction.fill('do it');
  await policyPage.onceButton.click();
  // Of a diffusion head it is fifty passes.
  await expect(policyPage.chunk).toBeVisible({ timeout: 300_000 });
  await expect(policyPage.onceButton).toBeEnabled();
  return policyPage.shownChunk();
}

/** Mean over the actions of how far the policy is off, as a share of what always predicting the mean is off. */
async function shareOfMean(page: Page): Promise<number> {
  await page.getByRole('button', { name: /^Check \d+ frame/ }).click();
  await page.getByText('By action').click({ timeout: 300_000 });
  const rows = await page
    .getByRole('row')
    .filter({ has: page.getByRole('rowheader') })
    .all();
  const shares: number[] = [];
  for (const row of rows) {
    const [policy, mean] = (await row.getByRole('cell').allTextContents()).map(Number);
    if (mean! > 0) shares.push(policy! / mean!);
  }
  return shares.reduce((sum, share) => sum + share, 0) / shares.length;
}

for (const robot of ROBOTS) {
  for (const head of ['l1', 'diffusion'] as const) {
    test(`${robot.dataset}, ${head}`, async ({ policyPage, page, browser }) => {
      // By hand only, on datasets that are not part of the repository.
      test.skip(!FOLDER, 'DATASETS names no folder of datasets.');
      test.setTimeout(1_800_000);
      await policyPage.openTable('?view=camera');
      await policyPage.ready();
      const before = await predict(policyPage);
      await open(page, robot);
      await goTo(page, 'Fine-tune');
      const section = page.getByRole('region', { name: 'Your robot' });
      await section.getByLabel('Head').selectOption(head);
      await setNumber(page, /^Steps max_steps/, String(STEPS));
      await setNumber(page, /^Samples per step/, '4');
      await page.getByLabel('Name of the run').fill('other robot');
      const begun = Date.now();
      await page.getByRole('button', { name: 'Start training' }).click();
      await expect(teach(page).getByRole('status').first()).toHaveText('Done', { timeout: 1_500_000 });
      const minutes = (Date.now() - begun) / 60_000;
      const loss = await shownLoss(page);
      const share = await shareOfMean(page);
      process.stdout.write(
        `${robot.dataset} ${head}: ${STEPS} steps in ${minutes.toFixed(1)} min, loss ${loss.first} to ${loss.last}, L1 ${share.toFixed(2)} of always predicting the mean\n`,
      );
      if (STEPS >= 100) {
        expect(loss.last).toBeLessThan(loss.first);
        if (!robot.constant) expect(share).toBeLessThan(1);
      }

      const chunk = await predict(policyPage);
      expect(chunk[0]).toHaveLength(robot.actions);
      await expect(policyPage.table).toContainText(robot.unit);

      await goTo(page, 'Share');
      await page.getByLabel('Title').fill('Other robot');
      await page.getByRole('button', { name: 'Share', exact: true }).click();
      const visitor = await openFresh(browser, await page.getByLabel(/^Link to/).inputValue());
      const shared = visitor.page.getByRole('region', { name: 'Shared with you' });
      await expect(shared.getByText(/^Ready/)).toBeVisible({ timeout: 300_000 });
      expect(furthest(await predict(visitor), chunk)).toBeLessThanOrEqual(1e-5);
      await visitor.page.context().close();

      await goTo(page, 'Run');
      await page
        .getByRole('region', { name: 'Policy in use' })
        .getByRole('button', { name: 'Back to the original policy' })
        .click();
      expect(await predict(policyPage)).toEqual(before);
    });
  }
}
