import { expect, type Page } from '@playwright/test';

/** What has the focus, as a reader hears of it: its name, and whether a ring shows where it is. */
async function focused(page: Page): Promise<{ name: string; ring: boolean }> {
  return page.locator(':focus').evaluate((element) => {
    // The radios of a toggle show theirs on the label's text.
    const shown =
      element instanceof HTMLInputElement && element.type === 'radio' && element.nextElementSibling;
    const labels = element instanceof HTMLInputElement ? [...(element.labels ?? [])] : [];
    return {
      name:
        element.getAttribute('aria-label') ??
        (labels.map(({ textContent }) => textContent).join(' ') || element.textContent || ''),
      ring: getComputedStyle(shown || element).outlineStyle !== 'none',
    };
  });
}

/** Waits until `name` fits what has the focus, with a ring around it: where the page itself puts the focus. */
export async function expectFocus(page: Page, name: RegExp): Promise<void> {
  await expect.poll(async () => (await page.locator(':focus').count()) > 0).toBe(true);
  await expect.poll(async () => (await focused(page)).name).toMatch(name);
  expect((await focused(page)).ring, `focus ring of ${name}`).toBe(true);
}

/** Presses Tab until `name` fits what has the focus; each stop must show a focus ring. */
export async function tabTo(page: Page, name: RegExp): Promise<void> {
  for (let step = 0; step < 60; step++) {
    await page.keyboard.press('Tab');
    const stop = await focused(page);
    expect(stop.ring, `focus ring of “${stop.name}”`).toBe(true);
    if (name.test(stop.name.trim())) return;
  }
  throw new Error(`Tab does not lead to ${name}.`);
}
