/** A visitor's own words on the practice table, and what the page then shows. */
import type { Page } from '@playwright/test';
import { expect, test } from './fixtures.ts';
import type { PolicyPage } from './policy-page.ts';

const stage = (page: Page) => page.getByRole('region', { name: 'Practice table' });
const outcome = (page: Page) => stage(page).getByRole('status');
const doIt = (page: Page) => page.getByRole('button', { name: 'Do it' });
const examples = (page: Page) => page.getByRole('group', { name: 'Example instructions' });

/** The table with its policy at rest: nothing moves by itself. */
async function openQuietly(policyPage: PolicyPage, query = '?task=lift&seed=3'): Promise<void> {
  await policyPage.page.emulateMedia({ reducedMotion: 'reduce' });
  await policyPage.openTable(query);
  await expect(doIt(policyPage.page)).toBeEnabled({ timeout: 60_000 });
}

test('words it never learnt are named, with an instruction to try; Enter runs', async ({
  policyPage,
  page,
}) => {
  await openQuietly(policyPage);
  await expect(page.getByText(/^This robot policy runs in your browser/)).toBeVisible();
  await policyPage.instruction.fill('Lift the banana!');
  await expect(page.getByText('I don’t know “banana”.')).toBeVisible();
  await policyPage.instruction.fill('hebe den Würfel');
  await expect(page.getByText('I don’t know “hebe”, “den” or “Würfel”.')).toBeVisible();
  await policyPage.instruction.fill('LIFT the banana.');
  const suggestion = page.getByText('Try: lift the').getByRole('button');
  const known = await suggestion.textContent();

  // Case and punctuation do not matter: what the policy was asked is what it learnt.
  await policyPage.instruction.fill(` ${known!.toUpperCase()}!! `);
  await expect(page.getByText('I don’t know')).toHaveCount(0);
  await policyPage.instruction.press('Enter');
  await expect(outcome(page)).toContainText(/Working|Done/);
  await expect(page.locator('.chunk-prompt q')).toHaveText(known!);
  await page.keyboard.press('Escape');
  await policyPage.instruction.fill('lift the banana');
  await suggestion.click();
  await expect(policyPage.instruction).toHaveValue(known!);
  await expect(outcome(page)).toContainText(/Working|Done/);
  await page.keyboard.press('Escape');
});

test('four examples, the others behind More; what few need is under Advanced', async ({
  policyPage,
  page,
}) => {
  await openQuietly(policyPage, '');
  const chips = examples(page).getByRole('button');
  await expect(chips).toHaveCount(5);
  await examples(page).getByRole('button', { name: 'More' }).click();
  await expect.poll(() => chips.count()).toBeGreaterThan(5);
  const advanced = [
    page.getByLabel(/^Temporal ensembling/),
    page.getByLabel(/^Speed limit/),
    page.getByLabel('Starting layout'),
  ];
  for (const field of advanced) await expect(field).toBeHidden();
  await page.getByText('Advanced', { exact: true }).click();
  for (const field of advanced) await expect(field).toBeVisible();
});

test('“Drag me” is on an object, until one is dragged, and on the first visit only', async ({
  policyPage,
  page,
}) => {
  await openQuietly(policyPage);
  const hint = page.getByText('Drag me', { exact: true });
  await expect(hint).toBeVisible();
  await dragIt(page);
  await expect(hint).toHaveCount(0);
  await page.reload();
  await expect(doIt(page)).toBeEnabled({ timeout: 60_000 });
  await expect(hint).toHaveCount(0);
});

/** Drags the object that the hint is on. */
async function dragIt(page: Page): Promise<void> {
  const place = await page.getByText('Drag me', { exact: true }).evaluate((element) => {
    const stageBox = element.parentElement!.getBoundingClientRect();
    const { left, top } = element.style;
    return { x: stageBox.left + parseFloat(left), y: stageBox.top + parseFloat(top) };
  });
  await page.mouse.move(place.x, place.y);
  await page.mouse.down();
  await page.mouse.move(place.x - 60, place.y + 10, { steps: 6 });
  await page.mouse.up();
}
