/** Steps of the studio, as a visitor goes through them. */
import type { Page } from '@playwright/test';

export type StepName = 'Run' | 'Demonstrations' | 'Fine-tune' | 'Share';

export async function goTo(page: Page, step: StepName): Promise<void> {
  await page.getByRole('navigation', { name: 'Steps' }).getByRole('link', { name: step }).click();
}

/** Opens a dataset by its address, and goes on to training on it. */
export async function openDataset(page: Page, name: string): Promise<void> {
  await goTo(page, 'Demonstrations');
  await page.getByRole('tab', { name: 'Open a dataset' }).click();
  await page.getByLabel('or the address of one').fill(`demo/${name}/`);
  await page.getByRole('button', { name: 'Open', exact: true }).click();
}
