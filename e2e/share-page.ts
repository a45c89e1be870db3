/** The step of sharing, and what a visitor sees of a share. */
import type { PolicyPage } from './policy-page.ts';

export const SLOW = { timeout: 120_000 };

export const shareButton = (policyPage: PolicyPage) =>
  policyPage.page.getByRole('button', { name: 'Share', exact: true });
export const link = (policyPage: PolicyPage) => policyPage.page.getByLabel(/^Link to/);
export const banner = (policyPage: PolicyPage) =>
  policyPage.page.getByRole('region', { name: 'Shared with you' });
export const ready = (policyPage: PolicyPage) => banner(policyPage).getByText('Ready: press “Do it”.');
