import type { Page } from '@playwright/test';
import { expect, test } from './fixtures.ts';
import { goTo, teachLittle } from './studio.ts';

const stage = (page: Page) => page.getByRole('region', { name: 'Practice table' });
const outcome = (page: Page) => stage(page).getByRole('status');
const doIt = (page: Page) => page.getByRole('button', { name: 'Do it' });
const stop = (page: Page) => page.getByRole('button', { name: /^Stop/ });
const instruction = (page: Page) => page.getByRole('textbox', { name: 'Instruction' });

/** Stops the show that a visitor is greeted with. */
async function quiet(page: Page): Promise<void> {
  await expect(stop(page)).toBeVisible({ timeout: 60_000 });
  await page.keyboard.press('Escape');
  await expect(doIt(page)).toBeVisible();
}

/** Share of the picture's pixels that differ between two moments. */
async function changed(page: Page, wait: () => Promise<void>): Promise<number> {
  const picture = stage(page).locator('.table-picture');
  const [before] = [await picture.screenshot()];
  await wait();
  const after = await picture.screenshot();
  const { PNG } = await import('pngjs');
  const [a, b] = [PNG.sync.read(before), PNG.sync.read(after)];
  let count = 0;
  for (let i = 0; i < a.data.length; i += 4) if (Math.abs(a.data[i]! - b.data[i]!) > 12) count++;
  return (4 * count) / a.data.length;
}

test('a visitor sees the policy at work at once, and tells it what to do', async ({ policyPage, page }) => {
  test.slow(); // Physics, drawing and inference share two cores with software graphics.
  await policyPage.openTable();
  // Without a click: the table is set, the policy loads, and it moves.
  await expect(outcome(page)).toContainText(/Working|Done/, { timeout: 60_000 });
  expect(await changed(page, () => page.waitForTimeout(2000))).toBeGreaterThan(0.001);
  await expect(page.getByRole('img', { name: 'Wrist camera as the model sees it' })).toBeVisible();

  await quiet(page);
  await page.getByLabel('Task', { exact: true }).selectOption('plate');
  await expect(instruction(page)).toHaveValue(/plate/);
  // Of a few layouts one is enough here: how often it succeeds is `npm run evaluate`'s business.
  await expect(async () => {
    await page.getByRole('button', { name: 'New layout' }).click();
    await doIt(page).click();
    await expect(doIt(page)).toBeVisible({ timeout: 60_000 });
    await expect(outcome(page)).toContainText(/Done in \d/, { timeout: 1000 });
  }).toPass({ timeout: 180_000 });
  await expect(policyPage.chunk).toBeVisible();
});

test(
  'an instruction nobody can judge runs until it is stopped, and Esc stops',
  { tag: '@full' },
  async ({ policyPage, page }) => {
    await policyPage.openTable();
    await quiet(page);
    await instruction(page).fill('wave at the audience');
    await expect(page.getByText('I don’t know “wave”, “at” or “audience”.')).toBeVisible();
    await doIt(page).click();
    await expect(outcome(page)).toContainText('Working');
    await page.keyboard.press('Escape');
    await expect(outcome(page)).toHaveText('Stopped.');
    // What was in flight lands, and the picture sharpens once nothing moves; then nothing changes any more.
    await expect(async () => {
      expect(await changed(page, () => page.waitForTimeout(500))).toBeLessThan(0.001);
    }).toPass();
  },
);

test('objects can be dragged, the view turned, the table reset', async ({ policyPage, page }) => {
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await policyPage.openTable();
  await expect(doIt(page)).toBeEnabled({ timeout: 60_000 });
  // With reduced motion nothing starts by itself.
  await expect(outcome(page)).toHaveText('Ready.');
  const picture = stage(page).locator('.table-picture');
  const turned = await changed(page, async () => {
    await picture.focus();
    for (let i = 0; i < 4; i++) await page.keyboard.press('ArrowLeft');
    await page.waitForTimeout(500);
  });
  expect(turned).toBeGreaterThan(0.02);
  const disturbed = await changed(page, async () => {
    await page.getByRole('button', { name: 'Nudge an object' }).click();
    await page.waitForTimeout(1500);
  });
  expect(disturbed).toBeGreaterThan(0.0005);
  await page.getByRole('button', { name: 'Reset' }).click();
  await expect(outcome(page)).toHaveText('Ready.');
  // What a button did is taken back by another, or by the keys; the words come back, too.
  await page.getByLabel('Task', { exact: true }).selectOption('stack');
  await expect(page.getByText('Laid for “stack”.', { exact: true })).toBeVisible();
  await page.getByRole('button', { name: 'Undo' }).click();
  await expect(page.getByText('Undone: Laid for “stack”.')).toBeVisible();
  await expect(page.getByRole('textbox', { name: 'Instruction' })).toHaveValue(
    'put the yellow block on the plate',
  );
  await expect(page.getByLabel('Task', { exact: true })).toHaveValue('plate');
  await picture.press('Control+z');
  await expect(page.getByText('Undone: Table reset.')).toBeVisible();
});

test('trials say how often it works, the same each time; the camera view is one click away', async ({
  policyPage,
  page,
}) => {
  test.slow();
  await policyPage.openTable();
  await quiet(page);
  await page.getByLabel('Task', { exact: true }).selectOption('reach');
  await page.getByRole('button', { name: 'Run 20 trials' }).click();
  await expect(outcome(page)).toContainText(/Trial [2-9] of 20/, { timeout: 60_000 });
  await expect(page.getByText(/reach: \d+ of 20/)).toBeVisible({ timeout: 180_000 });
  await expect(page.getByText(/95 % interval/)).toBeVisible();
  const trials = page.getByRole('list', { name: 'Trials' }).getByRole('listitem');
  const once = await trials.allTextContents();
  expect(once).toHaveLength(20);
  await page.getByText('Advanced', { exact: true }).click();
  await page.getByLabel('Starting layout').fill(once[0]!.match(/layout (\d+)/)![1]!);
  await page.getByRole('button', { name: 'Run 20 trials' }).click();
  await expect.poll(() => trials.count()).toBeLessThan(20);
  await expect.poll(() => trials.count(), { timeout: 60_000 }).toBeGreaterThanOrEqual(6);
  await page.keyboard.press('Escape');
  await expect(doIt(page)).toBeVisible();
  const again = await trials.allTextContents();
  expect(again.slice(0, 6)).toEqual(once.slice(0, 6));

  await page.getByRole('button', { name: 'Camera' }).click();
  await expect(page).toHaveURL(/view=camera/);
  await expect(page.getByRole('button', { name: /^Use camera/ }).first()).toBeVisible();
  await page.getByRole('button', { name: 'Practice table' }).click();
  await expect(doIt(page)).toBeEnabled();
});

test('a robot that there is not is told, and one that the policy does not know is shown without its pictures, and can be taught', async ({
  policyPage,
  page,
}) => {
  await policyPage.openTable('?task=lift&seed=12&robot=franka');
  await policyPage.ready();
  await expect(page.getByText('The address asks for a robot “franka”')).toBeVisible({ timeout: 60_000 });
  const seen = stage(page).getByText('Wrist camera');
  await expect(seen).toBeVisible();

  await page.getByLabel('Robot', { exact: true }).selectOption('so101');
  await expect(page.getByText(/an SO-101 stands here/)).toBeVisible({ timeout: 60_000 });
  await expect(page.getByText('The address asks for a robot “franka”')).toHaveCount(0);
  await expect(seen).toHaveCount(0);
  await expect(doIt(page)).toBeDisabled();

  await goTo(page, 'Demonstrations');
  const task = page.getByLabel('lift: Lift a block off the table.');
  await expect(task).toBeChecked();
  const [box, text, count] = await Promise.all(
    [
      task,
      page.getByText('lift: Lift a block off the table.'),
      page.getByRole('spinbutton', { name: 'Demonstrations' }),
    ].map(async (part) => (await part.boundingBox())!),
  );
  // A box as wide as the form squeezed its text into a column of single words.
  expect(box!.width).toBeLessThan(30);
  expect(text!.height).toBeLessThan(40);
  expect(count!.y).toBeGreaterThan(text!.y + text!.height);
});

test(
  'the expert demonstrates a task, the policy is taught it, and the demonstration is replayed on its own layout',
  { tag: '@full' },
  async ({ policyPage, page }) => {
    test.slow();
    await policyPage.openTable();
    await quiet(page);
    await teachLittle(page);
    // What was trained is in use on the table.
    await expect(page.getByRole('radio', { name: /^can \d+/ })).toBeChecked();
    await goTo(page, 'Run');
    await page.getByLabel('Task', { exact: true }).selectOption('can');
    await doIt(page).click();
    await expect(outcome(page)).toContainText('Working');
    await page.keyboard.press('Escape');
    await page.getByLabel('Task', { exact: true }).selectOption('reach');

    await goTo(page, 'Demonstrations');
    await page.getByRole('button', { name: 'Replay on the table' }).click();
    // The table is laid as it was for the expert.
    await expect(page.getByLabel('Task', { exact: true })).toHaveValue('can', { timeout: 60_000 });
    await expect(page.getByText(/^(Replayed|The goal was reached again)\.$/)).toBeVisible({
      timeout: 60_000,
    });
  },
);
