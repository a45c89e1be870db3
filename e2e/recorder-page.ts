/** The recorder on the practice table, as a visitor handles it. */
import { expect, type Locator, type Page } from '@playwright/test';
import type { PolicyPage } from './policy-page.ts';
import { episodes } from './studio.ts';

export const SLOW = { timeout: 120_000 };

export const takeTheGripper = (page: Page) => page.getByRole('button', { name: 'Start recording' });
export const listed = (page: Page) => episodes(page).getByRole('listitem');
export const myTurn = (page: Page) => page.getByText('Your turn: recording starts when you move');
/** A chunk of 8 and more is recorded, however long that takes. */
export const enough = (page: Page) => page.getByText(/^Recording, (0\.[89]|[1-9])/);

/** Opens the recorder on a layout, with an instruction that only its maker can judge. */
export async function openRecorder(policyPage: PolicyPage, table = '&task=reach&seed=7'): Promise<void> {
  const { page } = policyPage;
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await policyPage.openTable(`?step=demonstrations${table}`);
  await expect(page.getByLabel('Task', { exact: true })).toBeEnabled(SLOW);
  await page.getByLabel('Say what you’re showing').fill('wave at the audience');
}

/** Keeps what was recorded, as the episode of this number; it is then on show. */
export async function finish(page: Page, number: number): Promise<void> {
  await page.getByRole('button', { name: 'Finish' }).click();
  await expect(listed(page)).toHaveCount(number, SLOW);
  await expect(
    episodes(page)
      .getByRole('button')
      .nth(number - 1),
  ).toHaveAttribute('aria-current', 'true');
}

interface Plotted {
  readonly steps: number;
  readonly lowest: number;
  readonly highest: number;
}

/** What the plot of one dimension of the shown episode tells a screen reader; actions come before the state. */
export async function plotted(
  page: Page,
  name: string,
  plots: Locator = page.locator('main'),
): Promise<Plotted> {
  const plot = plots.getByRole('img', { name: new RegExp(`^${name} over \\d+ steps`) }).first();
  await expect(plot).toBeVisible(SLOW);
  const label = (await plot.getAttribute('aria-label')) ?? '';
  const [, steps, lowest, highest] = /over (\d+) steps, lowest (-?[\d.]+), highest (-?[\d.]+)/
    .exec(label)!
    .map(Number);
  return { steps: steps!, lowest: lowest!, highest: highest! };
}
