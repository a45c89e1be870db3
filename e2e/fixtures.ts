import { expect, test as base } from '@playwright/test';
import { PolicyPage } from './policy-page.ts';

/** Tests get the page as a `PolicyPage`; an error that nobody caught fails the test. */
export const test = base.extend<{ policyPage: PolicyPage }>({
  policyPage: async ({ page }, provide) => {
    const policyPage = new PolicyPage(page);
    await provide(policyPage);
    expect(policyPage.pageErrors).toEqual([]);
  },
});

export { expect };
