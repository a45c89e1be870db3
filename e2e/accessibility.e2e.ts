import { serveDataset } from './demo-dataset.ts';
import { expect, test } from './fixtures.ts';
import { tabTo } from './keyboard.ts';
import { goTo, openDataset } from './studio.ts';
import { faults } from './violations.ts';

test(
  'nobody is kept out and nothing cut off in front of cameras',
  { tag: '@full' },
  async ({ policyPage, page }) => {
    await page.emulateMedia({ reducedMotion: 'reduce' });
    await policyPage.open();
    await expect(policyPage.loadButton).toBeVisible();
    expect(await faults(page)).toEqual([]);

    await policyPage.loadButton.click();
    await policyPage.ready();
    expect(await faults(page)).toEqual([]);

    await policyPage.useCameras();
    await policyPage.instruction.fill('open the drawer');
    await policyPage.startButton.click();
    await expect(policyPage.chunk).toBeVisible();
    await page.getByText('About this policy').click();
    expect(await faults(page)).toEqual([]);
  },
);

test('nobody is kept out and nothing cut off at the practice table', async ({ policyPage, page }) => {
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await policyPage.openTable();
  const doIt = page.getByRole('button', { name: 'Do it' });
  await expect(doIt).toBeEnabled({ timeout: 60_000 });
  expect(await faults(page)).toEqual([]);
  await doIt.click();
  await expect(policyPage.chunk).toBeVisible();
  expect(await faults(page)).toEqual([]);
});

test(
  'nobody is kept out and nothing cut off while a policy is taught',
  { tag: '@full' },
  async ({ policyPage, page }) => {
    test.slow();
    await page.emulateMedia({ reducedMotion: 'reduce' });
    await serveDataset(page, 'v21');
    await policyPage.openAndLoad();
    await openDataset(page, 'v21');
    await expect(page.getByRole('img', { name: /over \d+ steps/ }).first()).toBeVisible();
    await page.locator('summary', { hasText: 'Statistics' }).click();
    expect(await faults(page)).toEqual([]);
    await goTo(page, 'Fine-tune');
    await page.locator('summary', { hasText: 'More settings' }).click();
    await expect(page.getByTestId('trainable')).toBeVisible();
    expect(await faults(page)).toEqual([]);
    await page.getByRole('button', { name: 'Start training' }).click();
    await expect(page.getByText('Validations as a table')).toBeVisible();
    expect(await faults(page)).toEqual([]);
    await page.getByRole('button', { name: 'Stop and keep' }).click();
    await expect(page.getByRole('radio', { name: /step \d+/ })).toBeChecked();
    expect(await faults(page)).toEqual([]);
  },
);

test('the keyboard alone leads from the check to a prediction', async ({ policyPage, page }) => {
  await policyPage.open('?instruction=open+the+drawer');
  await expect(policyPage.loadButton).toBeVisible();
  await tabTo(page, /^Load policy/);
  await page.keyboard.press('Enter');
  await policyPage.ready();
  for (let slot = 0; slot < (await policyPage.slots.count()); slot++) {
    await tabTo(page, /^Use camera/);
    await page.keyboard.press('Enter');
    await expect(policyPage.slots.nth(slot)).toHaveAttribute('data-status', 'live');
  }
  await tabTo(page, /^Start$/);
  await page.keyboard.press('Enter');
  await expect(policyPage.chunk).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(policyPage.startButton).toBeVisible();
});
