import { serveDataset } from './demo-dataset.ts';
import { expect, test } from './fixtures.ts';
import { tabTo } from './keyboard.ts';
import { goTo, openDataset } from './studio.ts';
import { violations } from './violations.ts';

for (const colorScheme of ['light', 'dark'] as const) {
  test(`axe finds nothing serious, ${colorScheme}`, async ({ policyPage, page }) => {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await policyPage.open();
    await expect(policyPage.loadButton).toBeVisible();
    expect(await violations(page)).toEqual([]);

    await policyPage.loadButton.click();
    await policyPage.ready();
    expect(await violations(page)).toEqual([]);

    await policyPage.useCameras();
    await policyPage.instruction.fill('open the drawer');
    await policyPage.startButton.click();
    await expect(policyPage.table).toBeVisible();
    await page.getByText('About this policy').click();
    expect(await violations(page)).toEqual([]);
  });
}

for (const colorScheme of ['light', 'dark'] as const) {
  test(`axe finds nothing serious on the practice table, ${colorScheme}`, async ({ policyPage, page }) => {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await policyPage.openTable();
    const doIt = page.getByRole('button', { name: 'Do it' });
    await expect(doIt).toBeEnabled({ timeout: 60_000 });
    expect(await violations(page)).toEqual([]);
    await doIt.click();
    await expect(policyPage.table).toBeVisible();
    expect(await violations(page)).toEqual([]);
  });
}

for (const colorScheme of ['light', 'dark'] as const) {
  test(`axe finds nothing serious while a policy is taught, ${colorScheme}`, async ({ policyPage, page }) => {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await serveDataset(page, 'v21');
    await policyPage.openAndLoad();
    await openDataset(page, 'v21');
    await expect(page.getByRole('img', { name: /over \d+ steps/ }).first()).toBeVisible();
    await page.locator('summary', { hasText: 'Statistics' }).click();
    expect(await violations(page)).toEqual([]);
    await goTo(page, 'Fine-tune');
    await page.locator('summary', { hasText: 'More settings' }).click();
    await expect(page.getByTestId('trainable')).toBeVisible();
    expect(await violations(page)).toEqual([]);
    await page.getByRole('button', { name: 'Start training' }).click();
    await expect(page.getByText('Validations as a table')).toBeVisible();
    expect(await violations(page)).toEqual([]);
    await page.getByRole('button', { name: 'Stop and keep' }).click();
    await expect(page.getByRole('radio', { name: /step \d+/ })).toBeChecked();
    expect(await violations(page)).toEqual([]);
  });
}

for (const width of [1440, 390]) {
  test(`nothing of teaching is cut off at ${width} px`, async ({ policyPage, page }) => {
    await page.setViewportSize({ width, height: 900 });
    await serveDataset(page, 'v21');
    await policyPage.openAndLoad();
    await openDataset(page, 'v21');
    await expect(page.getByRole('img', { name: /over \d+ steps/ }).first()).toBeVisible();
    await page.locator('summary', { hasText: 'Statistics' }).click();
    expect(await policyPage.overflow()).toBe(0);
    await goTo(page, 'Fine-tune');
    await page.getByTestId('trainable').waitFor();
    await page.locator('summary', { hasText: 'More settings' }).click();
    await page.getByRole('button', { name: 'Start training' }).click();
    await expect(page.getByText('Validations as a table')).toBeVisible();
    await page.getByRole('button', { name: 'Stop and keep' }).click();
    await expect(page.getByRole('radio', { name: /step \d+/ })).toBeChecked();
    expect(await policyPage.overflow()).toBe(0);
  });
}

test('a failure is told without anything serious', async ({ policyPage, page }) => {
  await policyPage.open('?policy=models/nowhere/manifest.json');
  await expect(page.getByRole('alert')).toBeVisible();
  expect(await violations(page)).toEqual([]);
});

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
  await expect(policyPage.table).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(policyPage.startButton).toBeVisible();
});
