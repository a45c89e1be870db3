/** A dataset of another robot, with the policy that ships with the page: taught, predicting in its own units, shared, and left again. */
import type { Page } from '@playwright/test';
import { datasetFolder } from './demo-dataset.ts';
import { main, setNumber, teach } from './finetune-page.ts';
import { expect, test } from './fixtures.ts';
import type { PolicyPage } from './policy-page.ts';
import { furthest, goTo, openFresh } from './studio.ts';
import { gradientImage } from './test-media.ts';

const JOINTS = [
  'shoulder_pan.pos',
  'shoulder_lift.pos',
  'elbow_flex.pos',
  'wrist_flex.pos',
  'wrist_roll.pos',
];

async function openArm(page: Page): Promise<void> {
  await goTo(page, 'Demonstrations');
  await page.getByRole('tab', { name: 'Open a dataset' }).click();
  await main(page).getByLabel('Choose a folder').setInputFiles(datasetFolder('so101'));
  await expect(main(page).getByText('LeRobot v3.0, 30 Hz')).toBeVisible();
}

async function predict(policyPage: PolicyPage, images: number): Promise<number[][]> {
  const { page } = policyPage;
  await goTo(page, 'Run');
  await page.getByRole('button', { name: 'Camera', exact: true }).click();
  await expect(policyPage.slots).toHaveCount(images);
  for (let slot = 0; slot < images; slot++) await policyPage.useFile(slot, gradientImage(96 + 16 * slot, 80));
  await policyPage.instruction.fill('put the pen into the cup');
  await policyPage.predictOnce();
  return policyPage.shownChunk();
}

test('a six-joint arm is taught over the shipped policy, predicts its joints, and the shipped policy stays', async ({
  policyPage,
  page,
  browser,
}) => {
  test.slow();
  await policyPage.openTable('?view=camera');
  await policyPage.ready();
  const before = await predict(policyPage, 2);
  expect(before[0]).toHaveLength(7);

  await openArm(page);
  await expect(main(page).getByText('The policy cannot be trained on these')).toBeHidden();
  // Its joints are not the table's directions.
  await expect(page.getByLabel('Instruction of this episode')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Replay on the table' })).toHaveCount(0);
  await goTo(page, 'Fine-tune');
  const robot = page.getByRole('region', { name: 'Your robot' });
  await expect(robot).toContainText('6 action values instead of 7');
  for (const joint of JOINTS) await expect(robot.getByLabel(`Unit of ${joint}`).first()).toHaveValue('deg');
  // Recorded at 30 Hz; half of that is enough here, and half the work.
  await robot.getByLabel('Actions per second').fill('15');
  await robot.getByLabel('Actions per second').press('Enter');
  await expect(robot).toContainText('about 2 recorded steps become one');
  await robot.getByLabel(/^Actions per prediction/).fill('6');
  await robot.getByLabel(/^Actions per prediction/).press('Enter');
  await robot.getByLabel(/^Images/).selectOption('1');
  await expect(robot.getByLabel('Image 2')).toBeHidden();

  await setNumber(page, /^Steps max_steps/, '3');
  await setNumber(page, /^Samples per step/, '1');
  await page.getByLabel('Name of the run').fill('arm');
  await page.getByRole('button', { name: 'Start training' }).click();
  await expect(teach(page).getByRole('status').first()).toHaveText('Done', { timeout: 180_000 });

  const banner = page.getByRole('region', { name: 'Policy in use' });
  await expect(banner).toContainText('6 action values, 1 image, 6 state values');
  const chunk = await predict(policyPage, 1);
  expect(chunk).toHaveLength(6);
  expect(chunk[0]).toHaveLength(6);
  await expect(policyPage.table).toContainText('shoulder_pan.pos');
  await expect(policyPage.table).toContainText('deg');
  await expect(page.getByRole('region', { name: 'Robot state' }).getByRole('spinbutton')).toHaveCount(6);

  await banner.getByRole('button', { name: 'Back to the original policy' }).click();
  await expect(banner).toBeHidden();
  expect(await predict(policyPage, 2)).toEqual(before);

  await goTo(page, 'Fine-tune');
  await page.getByRole('radio', { name: /^arm/ }).check();
  await expect(banner).toBeVisible();
  expect(furthest(await predict(policyPage, 1), chunk)).toBeLessThanOrEqual(1e-5);

  await goTo(page, 'Share');
  await page.getByLabel('Title').fill('My arm');
  await page.getByRole('button', { name: 'Share', exact: true }).click();
  const visitor = await openFresh(browser, await page.getByLabel(/^Link to/).inputValue());
  const shared = visitor.page.getByRole('region', { name: 'Shared with you' });
  await expect(shared.getByText(/^Ready/)).toBeVisible({ timeout: 120_000 });
  await expect(visitor.page.getByRole('region', { name: 'Policy in use' })).toContainText('6 action values');
  expect(furthest(await predict(visitor, 1), chunk)).toBeLessThanOrEqual(1e-5);
  expect(visitor.pageErrors).toEqual([]);
  await visitor.page.context().close();
});
