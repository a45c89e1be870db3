import { AxeBuilder } from '@axe-core/playwright';
import type { Page } from '@playwright/test';

/** What axe-core finds that keeps people out, as `rule: element`; with `tags`, by the rules that carry one of them. */
async function violations(page: Page, tags: readonly string[] = []): Promise<string[]> {
  const axe = new AxeBuilder({ page }).options({ resultTypes: ['violations'] });
  const { violations: found } = await (tags.length > 0 ? axe.withTags([...tags]) : axe).analyze();
  return found
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id}: ${target.join(' ')}`));
}

/** A desk, a hand, and a desk at 200 and 400 % (WCAG 1.4.10). */
const WIDTHS = [1440, 640, 390, 320];

/** What keeps people out by day and by night, and what does not fit beside each other on a desk or in a hand. */
export async function faults(page: Page): Promise<string[]> {
  const found = await violationsInBothSchemes(page);
  const before = page.viewportSize();
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 900 });
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    if (overflow > 0) found.push(`${width} px wide: ${overflow} px are cut off`);
  }
  if (before) await page.setViewportSize(before);
  return found;
}

/** What axe-core finds by day and by night, as `scheme, rule: element`. */
export async function violationsInBothSchemes(page: Page): Promise<string[]> {
  await page.emulateMedia({ colorScheme: 'light' });
  const byDay = await violations(page);
  await page.emulateMedia({ colorScheme: 'dark' });
  // By night nothing but the colours is another.
  const byNight = await violations(page, ['cat.color']);
  return [...byDay.map((each) => `light, ${each}`), ...byNight.map((each) => `dark, ${each}`)];
}
