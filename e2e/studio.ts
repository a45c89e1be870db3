/** Steps of the studio, as a visitor goes through them. */
import { expect, type Browser, type Locator, type Page } from '@playwright/test';
import { PolicyPage } from './policy-page.ts';
import { gradientImage } from './test-media.ts';

export type StepName = 'Run' | 'Demonstrations' | 'Fine-tune' | 'Share' | 'Models';

export async function goTo(page: Page, step: StepName): Promise<void> {
  await page.getByRole('navigation', { name: 'Steps' }).getByRole('link', { name: step }).click();
}

/** Opens a dataset by its address, and goes on to training on it. */
export async function openDataset(page: Page, name: string): Promise<void> {
  await goTo(page, 'Demonstrations');
  await page.getByRole('tab', { name: 'Open a dataset' }).click();
  await page.getByLabel('or an address').fill(`demo/${name}/`);
  await page.getByRole('button', { name: 'Open', exact: true }).click();
}

/** The list of episodes; they are counted by its items. */
export function episodes(page: Page): Locator {
  return page.getByRole('list', { name: 'Episodes' });
}

/** Teaches the policy on the table next to nothing: enough for an adapter that can be shared. */
export async function teachLittle(page: Page): Promise<void> {
  await goTo(page, 'Demonstrations');
  await page.getByRole('tab', { name: 'Auto-generate' }).click();
  await page.getByLabel('Task to show').selectOption('can');
  await page.getByRole('spinbutton', { name: 'Demonstrations' }).fill('2');
  await page.getByLabel(/^Include known tasks/).uncheck();
  await page.getByRole('button', { name: 'Record demonstrations' }).click();
  await expect(page.getByText('Expert on the practice table: can')).toBeVisible({ timeout: 120_000 });
  await goTo(page, 'Fine-tune');
  await page.getByLabel(/^Steps max_steps/).fill('2');
  await page.getByLabel(/^Samples per step/).fill('2');
  await page.getByLabel('Compare before and after when it is done').uncheck();
  await page.getByRole('button', { name: 'Start training' }).click();
  const teach = page.getByRole('region', { name: 'Fine-tune' });
  await expect(teach.getByRole('status').first()).toHaveText('Done', { timeout: 180_000 });
}

/** An address in a browser that has never been here. */
export async function openFresh(browser: Browser, url: string): Promise<PolicyPage> {
  const context = await browser.newContext({ reducedMotion: 'reduce' });
  const policyPage = new PolicyPage(await context.newPage());
  await policyPage.page.goto(url);
  return policyPage;
}

/** The chunk for two still images, in the camera view of the run step. */
export async function chunkOfStills(policyPage: PolicyPage): Promise<number[][]> {
  const { page } = policyPage;
  await goTo(page, 'Run');
  await page.getByRole('button', { name: 'Camera', exact: true }).click();
  for (const slot of [0, 1]) await policyPage.useFile(slot, gradientImage(96 + 16 * slot, 80));
  await policyPage.instruction.fill('wave to the left');
  await policyPage.predictOnce();
  return policyPage.shownChunk();
}

/** Largest difference of two chunks. */
export function furthest(a: number[][], b: number[][]): number {
  return Math.max(...a.flatMap((row, i) => row.map((value, j) => Math.abs(value - b[i]![j]!))));
}

/** Shares what is in use, opens the link in a browser that has never been here, and compares a prediction. */
export async function expectSharedTheSame(
  policyPage: PolicyPage,
  browser: Browser,
  title: string,
): Promise<void> {
  const { page } = policyPage;
  const own = await chunkOfStills(policyPage);
  await goTo(page, 'Share');
  await page.getByLabel('Title').fill(title);
  await page.getByRole('button', { name: 'Share', exact: true }).click();
  const visitor = await openFresh(browser, await page.getByLabel(/^Link to/).inputValue());
  await expect(visitor.page.getByRole('heading', { name: title })).toBeVisible();
  await expect(visitor.page.getByRole('region', { name: 'Shared with you' }).getByText(/^Ready/)).toBeVisible(
    {
      timeout: 120_000,
    },
  );
  expect(furthest(await chunkOfStills(visitor), own)).toBeLessThanOrEqual(1e-5);
  expect(visitor.pageErrors).toEqual([]);
  await visitor.page.context().close();
}
