import { chromium } from '@playwright/test';
import { serveSite } from '../e2e/site.ts';
import { CHROMIUM_FLAGS, findChromium } from './node/find-chromium.ts';
const server = await serveSite(0);
const executablePath = await findChromium();
const browser = await chromium.launch({ args: CHROMIUM_FLAGS, ...(executablePath ? { executablePath } : {}) });
const page = await browser.newPage({ viewport: { width: 1440, height: 900 }, reducedMotion: 'reduce' });
page.on('pageerror', (e) => console.log('pageerror', e.message));
page.on('console', (m) => m.type() === 'error' && console.log('console', m.text()));
try {
  await page.goto(server.url);
  await page.getByLabel('Robot', { exact: true }).waitFor({ timeout: 100000 });
  console.log('robot label');
  await page.waitForFunction(() => !(document.getElementById('table-robot') as HTMLSelectElement).disabled, undefined, { timeout: 100000 });
  await page.getByLabel('Robot', { exact: true }).selectOption('so101');
  console.log('chosen');
  await page.getByText(/an SO-101 stands here/).first().waitFor({ timeout: 60000 });
  await page.waitForTimeout(2500);
  console.log(await page.getByLabel('Task', { exact: true }).locator('option').allTextContents());
} catch (e) { console.log(String(e).slice(0, 400)); }
await page.screenshot({ path: `/tmp/page-1440.png` });
await page.setViewportSize({ width: 390, height: 900 }); await page.waitForTimeout(2500);
await page.screenshot({ path: `/tmp/page-390.png` });
await browser.close(); await server.close(); process.exit(0);
