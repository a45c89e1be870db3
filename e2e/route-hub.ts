import type { Page } from '@playwright/test';
import type { HubDouble } from '../tests/io/hub-double.ts';

/** What the page asks of huggingface.co is answered by the double. */
export async function routeHub(page: Page, hub: HubDouble): Promise<void> {
  await page.context().route('https://huggingface.co/**', async (route) => {
    const url = new URL(route.request().url());
    const response = await route.fetch({ url: hub.url + url.pathname + url.search, maxRedirects: 0 });
    await route.fulfill({ response });
  });
}
