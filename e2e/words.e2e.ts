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

test(
  '“Drag me” is on an object, until one is dragged, and on the first visit only',
  { tag: '@full' },
  async ({ policyPage, page }) => {
    await openQuietly(policyPage);
    const hint = page.getByText('Drag me', { exact: true });
    await expect(hint).toBeVisible();
    await dragIt(page);
    await expect(hint).toHaveCount(0);
    await page.reload();
    await expect(doIt(page)).toBeEnabled({ timeout: 60_000 });
    await expect(hint).toHaveCount(0);
  },
);

/** What the policy's cameras see: the values of all pixels. */
const seen = (page: Page): Promise<number[]> =>
  stage(page)
    .getByRole('img', { name: /as the model sees it$/ })
    .evaluateAll((all) =>
      all.flatMap((element) => {
        const canvas = element as HTMLCanvasElement;
        return [...canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height).data];
      }),
    );

/** Share of the values that differ visibly. A thing that comes to rest still moves by less than that. */
const difference = (a: readonly number[], b: readonly number[]): number =>
  a.length === b.length
    ? a.filter((value, i) => Math.abs(value - b[i]!) > 24).length / Math.max(1, a.length)
    : 1;
const SAME = 0.0005;
const MOVED = 0.001;

/** Waits until the pictures stay as they are. */
async function settled(page: Page): Promise<number[]> {
  await expect(stage(page).getByRole('img', { name: /as the model sees it$/ })).toHaveCount(2);
  let last: number[] = [];
  await expect(async () => {
    const before = last;
    last = await seen(page);
    expect(difference(last, before)).toBeLessThan(SAME);
  }).toPass({ intervals: [700] });
  return last;
}

test(
  'the policy’s pictures are of the table now: laid, reset, nudged, dragged, and after the camera',
  { tag: '@full' },
  async ({ policyPage, page }) => {
    await openQuietly(policyPage);
    const first = await settled(page);
    const from = (before: readonly number[]) => async () => difference(await seen(page), before);
    await dragIt(page);
    await expect.poll(from(first)).toBeGreaterThan(MOVED);
    await settled(page);
    await page.getByRole('button', { name: 'Reset' }).click();
    await expect.poll(from(first)).toBeLessThan(SAME);
    await page.getByRole('button', { name: 'Nudge an object' }).click();
    await expect.poll(from(first)).toBeGreaterThan(MOVED);
    const nudged = await settled(page);

    await page.getByRole('button', { name: 'Camera', exact: true }).click();
    // Not the table: nothing is connected.
    await expect(page.getByText('Waiting for a camera')).toHaveCount(2);
    await policyPage.useCameras();
    await expect(page.getByRole('img', { name: /as the model sees it$/ })).toHaveCount(2);
    await page.getByRole('button', { name: 'Practice table' }).click();
    expect(difference(await settled(page), nudged)).toBeLessThan(SAME);
  },
);

test(
  'how a run ended is about its words, and its prediction about its table',
  { tag: '@full' },
  async ({ policyPage, page }) => {
    await openQuietly(policyPage, '?task=reach&seed=7');
    const chunk = page.getByRole('heading', { name: /^Next \d+ actions/ });
    await expect(async () => {
      await doIt(page).click();
      await expect(doIt(page)).toBeVisible({ timeout: 60_000 });
      await expect(outcome(page)).toHaveText(/^(Done in|Failed)/, { timeout: 1000 });
    }).toPass();
    await policyPage.instruction.fill('lift');
    await expect(outcome(page)).toHaveText('Ready.');
    // It says what it is for, and what it was made from is still there.
    await expect(chunk).toBeVisible();
    await page.getByRole('button', { name: 'Camera', exact: true }).click();
    await expect(page.getByText(/actions will appear here/)).toBeVisible();
    await page.getByRole('button', { name: 'Practice table' }).click();
    await doIt(page).click();
    await expect(chunk).toBeVisible();
    await page.keyboard.press('Escape');
    await expect(doIt(page)).toBeVisible();
    await page.getByRole('button', { name: 'New layout' }).click();
    await expect(page.getByText(/actions will appear here/)).toBeVisible();
  },
);

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
