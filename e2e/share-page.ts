/** The step of sharing, and what a visitor sees of a share. */
import { breakableLine, type BreakableLine } from './hosts.ts';
import type { PolicyPage } from './policy-page.ts';
import { goTo, teachLittle } from './studio.ts';

export const SLOW = { timeout: 120_000 };

export const shareButton = (policyPage: PolicyPage) =>
  policyPage.page.getByRole('button', { name: 'Share', exact: true });
export const link = (policyPage: PolicyPage) => policyPage.page.getByLabel(/^Link to/);
export const banner = (policyPage: PolicyPage) =>
  policyPage.page.getByRole('region', { name: 'Shared with you' });
export const ready = (policyPage: PolicyPage) => banner(policyPage).getByText('Ready: press “Do it”.');

/** Shares what was taught a little over a line that breaks in the middle of the upload. */
export async function shareOverABadLine(policyPage: PolicyPage, baseURL: string): Promise<BreakableLine> {
  const { page } = policyPage;
  const line = await breakableLine(baseURL);
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await page.goto(line.url);
  await policyPage.ready();
  await teachLittle(page);
  await goTo(page, 'Share');
  await page.getByLabel('Title').fill('Over a bad line');
  line.breakNextUpload();
  await shareButton(policyPage).click();
  return line;
}
