/** The step of fine-tuning, as a visitor handles it. */
import type { Page } from '@playwright/test';
import { goTo } from './studio.ts';

export const teach = (page: Page) => page.getByRole('region', { name: 'Fine-tune' });
export const main = (page: Page) => page.getByRole('main');

export async function setNumber(page: Page, label: RegExp, value: string): Promise<void> {
  await teach(page).getByRole('spinbutton', { name: label }).fill(value);
}

/** A run small enough for two shared cores. */
export async function chooseSmallRun(page: Page, name: string, steps: number): Promise<void> {
  await goTo(page, 'Fine-tune');
  await page.getByLabel('Name of the run').fill(name);
  await setNumber(page, /^Steps max_steps/, String(steps));
  await setNumber(page, /^Samples per step/, '2');
  await page.getByText('More settings').click();
  await setNumber(page, /^LoRA rank/, '4');
  await setNumber(page, /^Save every/, '2');
  await setNumber(page, /^Validate every/, '10');
}

/** First and last loss that the plot tells a screen reader of, and how many there are. */
export async function shownLoss(page: Page): Promise<{ first: number; last: number; points: number }> {
  const label = await teach(page)
    .getByRole('img', { name: /^Loss\. training/ })
    .getAttribute('aria-label');
  const [, first, last, points] = /training: from ([\d.]+) to ([\d.]+) over (\d+)/
    .exec(label ?? '')!
    .map(Number);
  return { first: first!, last: last!, points: points! };
}
