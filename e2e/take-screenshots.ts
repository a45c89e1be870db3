/**
 * Takes the pictures of the page that README and docs show: `npm run screenshots [-- 1440]`.
 * Builds the page, serves it, and walks through its steps, at 1440 and 390 px, light and dark.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Browser, BrowserContext, Page } from '@playwright/test';
import sharp from 'sharp';
import { EXPERT_OPTIONS } from '../src/app/finetune/expert-options.ts';
import { launchWithCamera } from './launch-with-camera.ts';
import { PolicyPage } from './policy-page.ts';
import { serveSite } from './site.ts';
import { goTo } from './studio.ts';

/** Larger pictures make the repository grow with every change of the page. */
const MAX_BYTES = 300_000;
const DOCS = resolve(import.meta.dirname, '../docs');

interface Look {
  readonly width: number;
  readonly height: number;
  readonly colorScheme: 'light' | 'dark';
}

const LOOKS: readonly Look[] = [
  { width: 1440, height: 900, colorScheme: 'light' },
  { width: 1440, height: 900, colorScheme: 'dark' },
  { width: 390, height: 844, colorScheme: 'light' },
  { width: 390, height: 844, colorScheme: 'dark' },
];

const nameOf = (step: string, { width, colorScheme }: Look): string =>
  `${step}-${width}${colorScheme === 'dark' ? '-dark' : ''}.png`;

async function save(page: Page, step: string, look: Look): Promise<void> {
  const file = nameOf(step, look);
  // A palette is enough for a page, and half as large.
  const png = await sharp(await page.screenshot())
    .png({ palette: true, quality: 95, effort: 8 })
    .toBuffer();
  const size = png.byteLength;
  if (size > MAX_BYTES) throw new Error(`${file} has ${size} bytes; at most ${MAX_BYTES} are wanted.`);
  await writeFile(resolve(DOCS, file), png);
  process.stdout.write(`${file}  ${Math.round(size / 1000)} KB\n`);
}

async function opened(browser: Browser, baseURL: string, look: Look): Promise<BrowserContext> {
  const context = await browser.newContext({
    baseURL,
    viewport: { width: look.width, height: look.height },
    colorScheme: look.colorScheme,
    reducedMotion: 'reduce',
    hasTouch: look.width < 500,
  });
  // The fake camera's name is the path of its video on this machine.
  // As text: in a function the compiler's helpers would be missing in the page.
  await context.addInitScript({
    content: `Object.defineProperty(MediaDeviceInfo.prototype, 'label', { get: () => 'USB camera' });`,
  });
  return context;
}

/** The shipped policy on the table, taught by the expert, about to be shared. */
async function takeStudio(browser: Browser, url: string, look: Look): Promise<void> {
  const context = await opened(browser, url, look);
  const page = await context.newPage();
  const policyPage = new PolicyPage(page);
  await policyPage.openTable('?task=stack&seed=1002');
  await policyPage.ready();
  await page.getByRole('button', { name: 'Do it' }).click({ timeout: 120_000 });
  await page.getByText(/Working, (0\.8|1)/).waitFor({ timeout: 60_000 });
  await page.evaluate(() => window.scrollTo({ top: 0 }));
  await save(page, 'run', look);
  await page.keyboard.press('Escape');

  await goTo(page, 'Demonstrations');
  await page.getByRole('tab', { name: 'Auto-generate' }).click();
  await page.getByLabel('Task to show').selectOption('can');
  await page.getByRole('spinbutton', { name: 'Demonstrations' }).fill('10');
  await page.getByLabel(/^Include known tasks/).uncheck();
  await page.getByRole('button', { name: 'Record demonstrations' }).click();
  await page
    .getByRole('img', { name: /^y over/ })
    .first()
    .waitFor({ timeout: 180_000 });
  await page.getByLabel('Step', { exact: true }).fill('9');
  await page.getByRole('button', { name: 'What would the policy do here?' }).click();
  await page.getByText(/differs from the demonstration/).waitFor();
  const episodes = page.getByRole('heading', { name: 'Episodes' });
  await episodes.evaluate((element) => element.scrollIntoView());
  await save(page, 'demonstrations', look);

  await goTo(page, 'Fine-tune');
  await page.getByLabel('Name of the run').fill('lift the can');
  await page.getByRole('button', { name: 'Start training' }).click();
  await page.getByText(new RegExp(`^3\\d of ${EXPERT_OPTIONS.maxSteps}$`)).waitFor({ timeout: 180_000 });
  await page
    .getByRole('heading', { name: 'Train', exact: true })
    .evaluate((element) => element.scrollIntoView());
  await save(page, 'fine-tune', look);
  await page.getByRole('button', { name: 'Stop and keep' }).click();
  await page
    .getByRole('radio', { name: /step \d+/ })
    .first()
    .waitFor();

  await goTo(page, 'Share');
  await page.getByLabel('Title').fill('Lifts the can');
  await page.getByLabel('Your name (optional)').fill('A visitor');
  await page.getByRole('button', { name: 'Share', exact: true }).click();
  await page.getByLabel(/^Link to/).waitFor();
  await page.getByLabel(/^Link to/).evaluate((element) => {
    (element as HTMLInputElement).value = 'https://example.org/s/4fT2mQ9xKc7LwA1e';
  });
  await page.evaluate(() => window.scrollTo({ top: 0 }));
  await save(page, 'share', look);
  await context.close();
}

/** A policy on cameras. */
async function takeCamera(browser: Browser, url: string, look: Look): Promise<void> {
  const context = await opened(browser, url, look);
  const page = await context.newPage();
  const policyPage = new PolicyPage(page);
  await policyPage.openAndLoad('?instruction=put+the+carrot+in+the+basket');
  await policyPage.useCameras();
  await policyPage.startButton.click();
  // Until the rolling figures have filled their window.
  await page.getByText('median of the last 20').waitFor();
  await page.evaluate(() => window.scrollTo({ top: 0 }));
  await save(page, 'camera', look);
  await context.close();
}

/** Takes only pictures of this width. */
const only = process.argv[2] ?? '';

await mkdir(DOCS, { recursive: true });
const server = await serveSite(0);
const browser = await launchWithCamera();
try {
  for (const look of LOOKS) {
    if (only && String(look.width) !== only) continue;
    await takeStudio(browser, server.url, look);
    await takeCamera(browser, server.url, look);
  }
} finally {
  await browser.close();
  await server.close();
}
