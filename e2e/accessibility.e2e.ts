import { AxeBuilder } from '@axe-core/playwright';
import type { Page } from '@playwright/test';
import { serveDataset } from './demo-dataset.ts';
import { expect, test } from './fixtures.ts';
import { goTo, openDataset } from './studio.ts';

/** What axe-core finds that keeps people out, as `rule: element`. */
async function violations(page: Page): Promise<string[]> {
  const { violations: found } = await new AxeBuilder({ page }).analyze();
  return found
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id}: ${target.join(' ')}`));
}

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
  const focused = page.locator(':focus');
  /** Presses Tab until `accept` holds for what has the focus; each stop must show a focus ring. */
  const tabTo = async (name: RegExp): Promise<void> => {
    for (let step = 0; step < 40; step++) {
      await page.keyboard.press('Tab');
      const label = await focused.evaluate(
        (element) => element.getAttribute('aria-label') ?? element.textContent ?? '',
      );
      const ring = await focused.evaluate((element) => {
        // The radios of a toggle show theirs on the label's text.
        const shown =
          element instanceof HTMLInputElement && element.type === 'radio' && element.nextElementSibling;
        return getComputedStyle(shown || element).outlineStyle;
      });
      expect(ring, `focus ring of “${label}”`).not.toBe('none');
      if (name.test(label)) return;
    }
    throw new Error(`Tab does not lead to ${name}.`);
  };
  await tabTo(/^Load policy/);
  await page.keyboard.press('Enter');
  await policyPage.ready();
  for (let slot = 0; slot < (await policyPage.slots.count()); slot++) {
    await tabTo(/^Use camera/);
    await page.keyboard.press('Enter');
    await expect(policyPage.slots.nth(slot)).toHaveAttribute('data-status', 'live');
  }
  await tabTo(/^Start$/);
  await page.keyboard.press('Enter');
  await expect(policyPage.table).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(policyPage.startButton).toBeVisible();
});
