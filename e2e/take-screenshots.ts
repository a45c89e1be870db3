/**
 * Takes the pictures of the page that README and docs show: `npm run screenshots [-- table]`.
 * Builds the page, serves it, and takes the practice table, and a tiny policy on the fake camera and being taught.
 */
import { mkdir, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { chromium, type Browser, type Page } from '@playwright/test';
import { CHROMIUM_FLAGS, findChromium } from '../tools/node/find-chromium.ts';
import { cameraVideoPath, writeCameraVideo } from './camera-video.ts';
import { serveDataset } from './demo-dataset.ts';
import { PolicyPage } from './policy-page.ts';
import { serveSite } from './site.ts';

/** Larger pictures make the repository grow with every change of the page. */
const MAX_BYTES = 300_000;
const DOCS = resolve(import.meta.dirname, '../docs');

interface Picture {
  file: string;
  width: number;
  height: number;
  colorScheme: 'light' | 'dark';
  /** Physical pixels per CSS pixel. */
  density: number;
  /** The practice table; predicting from cameras; or being taught: before and during a run. */
  state: 'table' | 'predict' | 'demonstrations' | 'training';
}

const PICTURES: readonly Picture[] = [
  { file: 'table-1440.png', width: 1440, height: 900, colorScheme: 'light', density: 1, state: 'table' },
  { file: 'table-1440-dark.png', width: 1440, height: 900, colorScheme: 'dark', density: 1, state: 'table' },
  { file: 'table-390.png', width: 390, height: 844, colorScheme: 'light', density: 2, state: 'table' },
  { file: 'page-1440.png', width: 1440, height: 900, colorScheme: 'light', density: 1, state: 'predict' },
  { file: 'page-1440-dark.png', width: 1440, height: 900, colorScheme: 'dark', density: 1, state: 'predict' },
  { file: 'page-390.png', width: 390, height: 844, colorScheme: 'light', density: 2, state: 'predict' },
  {
    file: 'teach-1440.png',
    width: 1440,
    height: 1000,
    colorScheme: 'light',
    density: 1,
    state: 'demonstrations',
  },
  { file: 'train-1440.png', width: 1440, height: 1000, colorScheme: 'light', density: 1, state: 'training' },
  {
    file: 'train-1440-dark.png',
    width: 1440,
    height: 1000,
    colorScheme: 'dark',
    density: 1,
    state: 'training',
  },
  { file: 'train-390.png', width: 390, height: 1400, colorScheme: 'light', density: 1, state: 'training' },
];

/** Opens the test's demonstrations and, for `training`, trains on them for some steps. */
async function teach(page: Page, state: 'demonstrations' | 'training'): Promise<void> {
  await serveDataset(page, 'v21');
  await page.getByLabel('or the address of one').fill('demo/v21/');
  await page.getByRole('button', { name: 'Open', exact: true }).click();
  await page.getByTestId('trainable').waitFor();
  await page.getByLabel('Name of the run').fill('push the block');
  await page.getByRole('spinbutton', { name: /^Samples per step/ }).fill('2');
  if (state === 'training') {
    await page.getByRole('button', { name: 'Start training' }).click();
    await page.getByText('at step 60').waitFor();
  }
  const heading =
    state === 'training' ? page.getByRole('heading', { name: '3. Train' }) : page.locator('#teach');
  await heading.evaluate((element) => element.scrollIntoView());
}

async function take(browser: Browser, url: string, picture: Picture): Promise<void> {
  const context = await browser.newContext({
    baseURL: url,
    viewport: { width: picture.width, height: picture.height },
    colorScheme: picture.colorScheme,
    deviceScaleFactor: picture.density,
    reducedMotion: 'reduce',
    isMobile: picture.density > 1,
    hasTouch: picture.density > 1,
  });
  const page = await context.newPage();
  // The fake camera's name is the path of its video on this machine.
  // As text: in a function the compiler's helpers would be missing in the page.
  await page.addInitScript({
    content: `Object.defineProperty(MediaDeviceInfo.prototype, 'label', { get: () => 'USB camera' });`,
  });
  const policyPage = new PolicyPage(page);
  if (picture.state === 'table') {
    await policyPage.openTable('?task=stack&seed=1002');
    await page.getByRole('button', { name: 'Do it' }).click({ timeout: 120_000 });
    await page.getByText(/Working, 1\.6/).waitFor({ timeout: 60_000 });
  } else await policyPage.openAndLoad('?instruction=put+the+carrot+in+the+basket');
  if (picture.state === 'predict') {
    await policyPage.useCameras();
    await policyPage.startButton.click();
    // Until the rolling figures have filled their window.
    await page.getByText('median of the last 20').waitFor();
  } else if (picture.state !== 'table') {
    await teach(page, picture.state);
  }
  const path = resolve(DOCS, picture.file);
  await page.screenshot({ path });
  await context.close();
  const { size } = await stat(path);
  if (size > MAX_BYTES)
    throw new Error(`${picture.file} has ${size} bytes; at most ${MAX_BYTES} are wanted.`);
  process.stdout.write(`${picture.file}  ${Math.round(size / 1000)} KB\n`);
}

/** Takes only pictures whose names begin so. */
const only = process.argv[2] ?? '';

await mkdir(DOCS, { recursive: true });
await writeCameraVideo();
const server = await serveSite(0);
const executablePath = await findChromium();
const browser = await chromium.launch({
  ...(executablePath ? { executablePath } : {}),
  args: [
    ...CHROMIUM_FLAGS,
    '--use-fake-device-for-media-stream',
    '--use-fake-ui-for-media-stream',
    `--use-file-for-fake-video-capture=${cameraVideoPath}`,
  ],
});
try {
  const { url } = server;
  for (const picture of PICTURES.filter(({ file }) => file.startsWith(only)))
    await take(browser, url, picture);
} finally {
  await browser.close();
  await server.close();
}
