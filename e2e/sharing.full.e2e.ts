import { expect, test } from './fixtures.ts';
import { link, ready, shareButton, shareOverABadLine, SLOW } from './share-page.ts';
import { openFresh } from './studio.ts';

// A policy is taught, and loaded again by whoever opens the link.
test.slow();

test('an upload that is given up goes on where it stopped when it is tried again', async ({
  policyPage,
  page,
  browser,
  baseURL,
}) => {
  const line = await shareOverABadLine(policyPage, baseURL!);
  // The page tries for half a minute, then gives up.
  await expect(page.getByText('Connection lost; trying again…')).toBeVisible(SLOW);
  await expect(policyPage.failure('download-failed')).toBeVisible(SLOW);
  expect(line.broken()).toBe(true);
  await expect(policyPage.failure('download-failed')).toContainText('Sharing failed');
  await expect(policyPage.failure('download-failed')).toContainText('cannot be reached');
  await expect(policyPage.failure('download-failed')).toContainText('goes on where it stopped');
  await expect(page.getByLabel('Title')).toHaveValue('Over a bad line');

  const before = line.parts.length;
  line.mend();
  await shareButton(policyPage).click();
  await expect(link(policyPage)).toBeVisible(SLOW);
  await expect(policyPage.failure('download-failed')).toHaveCount(0);
  const [first, ...later] = [line.parts[0]!, ...line.parts.slice(before)];
  expect(first.offset).toBe(0);
  // What the server had written by then is not sent again; the last of what got through it may have lost.
  expect(later[0]!.offset).toBeGreaterThan(0);
  expect(later[0]!.offset).toBeLessThanOrEqual(first.bytes);
  for (const { offset } of later) expect(offset).toBeGreaterThanOrEqual(later[0]!.offset);

  const visitor = await openFresh(browser, await link(policyPage).inputValue());
  await expect(ready(visitor)).toBeVisible(SLOW);
  expect(visitor.pageErrors).toEqual([]);
  await visitor.page.context().close();
  line.close();
});
