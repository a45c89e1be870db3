/** `npm run bench:checkpoint`: a checkpoint of real size from a double of the Hub becomes a policy in Chromium, predicts there and is fine-tuned. */
import { createHash } from 'node:crypto';
import { createReadStream, readdirSync, readFileSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { chromium } from '@playwright/test';
import { datasetFolder } from '../../e2e/demo-dataset.ts';
import { main, setNumber, shownLoss, teach } from '../../e2e/finetune-page.ts';
import { PolicyPage } from '../../e2e/policy-page.ts';
import { routeHub } from '../../e2e/route-hub.ts';
import { serveSite } from '../../e2e/site.ts';
import { goTo } from '../../e2e/studio.ts';
import { gradientImage } from '../../e2e/test-media.ts';
import { planCheckpoint } from '../../src/convert/plan.ts';
import { hubDouble, type HubContent } from '../../tests/io/hub-double.ts';
import { parseArguments } from '../node/arguments.ts';
import { CHROMIUM_FLAGS, findChromium } from '../node/find-chromium.ts';
import { diskCheckpoint } from '../node/disk-folder.ts';
import { predictionFlops } from './flops.ts';

const USAGE = `usage: npm run bench:checkpoint -- <checkpoint folder> [--no-predict] [--steps N]

Serves the folder as a Hub repository (redirects to addresses that expire, SHA-256 of each file), converts it in the built page at
4 bits, and prints seconds, MB/s and the most memory that a process of the page had. Then loads it, predicts once on WASM, and takes N fine-tuning steps of one sample (LoRA on all linear layers, LIBERO's sizes).
tools/make-checkpoint.ts makes folders of real sizes.

  --no-predict    convert only
  --steps N       fine-tuning steps (default: 10; 0 for none)`;

const args = parseArguments(USAGE, {
  allowPositionals: true,
  allowNegative: true,
  options: { predict: { type: 'boolean', default: true }, steps: { type: 'string' } },
});
const [folder] = args.exactly('<checkpoint folder>');
const steps = args.wholeNumber('steps', 0) ?? 10;
/** Files below this are held in memory. */
const SMALL = 16 * 2 ** 20;
const TIMEOUT_MS = 4 * 3_600_000;

async function contents(path: string): Promise<HubContent> {
  const byteLength = statSync(path).size;
  if (byteLength < SMALL) return new Uint8Array(await readFile(path));
  const hash = createHash('sha256');
  for await (const part of createReadStream(path, { highWaterMark: 2 ** 22 })) hash.update(part as Buffer);
  return { path, byteLength, sha256: hash.digest('hex') };
}

/** The largest process below that one, bytes of memory of its own. */
function largestProcess(pid: number): number {
  const children = new Map<number, number[]>();
  const memory = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const status = readFileSync(`/proc/${name}/status`, 'utf8');
      const parent = Number(/^PPid:\s+(\d+)/m.exec(status)?.[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
      memory.set(Number(name), 1024 * Number(/^RssAnon:\s+(\d+)/m.exec(status)?.[1] ?? 0));
    } catch {
      // It ended meanwhile.
    }
  }
  const below = (of: number): number[] =>
    (children.get(of) ?? []).flatMap((child) => [child, ...below(child)]);
  return Math.max(0, ...below(pid).map((child) => memory.get(child) ?? 0));
}

const repo = `random/${basename(resolve(folder))}`;
const files = new Map<string, HubContent>();
for (const name of readdirSync(folder)) files.set(name, await contents(join(folder, name)));
const hub = await hubDouble({ [repo]: files }, { uses: 100 });
const site = await serveSite(0);
const executablePath = await findChromium();
const server = await chromium.launchServer({
  args: CHROMIUM_FLAGS,
  ...(executablePath ? { executablePath } : {}),
});
const browser = await chromium.connect(server.wsEndpoint());
const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, baseURL: site.url });
page.setDefaultTimeout(TIMEOUT_MS);
await routeHub(page, hub);
let most = 0;
const watching = setInterval(() => (most = Math.max(most, largestProcess(server.process().pid!))), 250);
const policyPage = new PolicyPage(page);
await policyPage.open();
await policyPage.loadButton.waitFor();
await page.getByText('Use another policy').click();
const checkpoint = page.getByRole('region', { name: 'Use a checkpoint' });
await checkpoint.getByLabel(/^A checkpoint/).fill(repo);
await checkpoint.getByRole('button', { name: 'Look at it' }).click();
await checkpoint.getByRole('button', { name: /^Fetch / }).waitFor();
console.log((await checkpoint.locator('.checkpoint-report').innerText()).replaceAll(/\n+/g, '\n'));
console.log(`memory before ${(most / 1e6).toFixed(0)} MB`);
most = 0;
const start = performance.now();
await checkpoint.getByRole('button', { name: /^Fetch / }).click();
const begun = checkpoint.getByRole('button', { name: 'Pause' });
await begun.waitFor();
await begun.waitFor({ state: 'detached' });
const seconds = (performance.now() - start) / 1000;
const bytes = hub.served.reduce((sum, { from, to }) => sum + to - from, 0);
console.log(
  `converted in ${seconds.toFixed(1)} s: ${(bytes / 1e6 / seconds).toFixed(0)} MB/s of ${(bytes / 1e9).toFixed(2)} GB fetched, ` +
    `most memory of a process ${(most / 1e6).toFixed(0)} MB`,
);
if (args.values.predict) await predict();
if (args.values.predict && steps > 0) await fineTune();
clearInterval(watching);
await browser.close();
await server.close();
await site.close();
await hub.close();

async function predict(): Promise<void> {
  most = 0;
  await policyPage.page.locator('.mast-phase', { hasText: 'Policy ready' }).waitFor();
  console.log(`loaded, most memory of a process ${(most / 1e9).toFixed(2)} GB`);
  const slots = await policyPage.slots.count();
  for (let slot = 0; slot < slots; slot++) await policyPage.useFile(slot, gradientImage(320, 240));
  await policyPage.instruction.fill('pick up the red block');
  await policyPage.onceButton.click();
  await policyPage.table.waitFor();
  const { saved } = await policyPage.save();
  const { layout, config } = await planCheckpoint(diskCheckpoint(folder), { bits: 4 });
  const shapes = new Map(layout.tensors.map(({ name, shape }) => [name, shape]));
  const flops = predictionFlops(config, shapes, saved.promptTokens);
  console.log(
    `a chunk in ${(saved.elapsedMs / 1000).toFixed(1)} s, ${(flops / 1e12).toFixed(2)} TFLOP, ` +
      `${(flops / 1e6 / saved.elapsedMs).toFixed(1)} GFLOPS, most memory of a process ${(most / 1e9).toFixed(2)} GB`,
  );
  for (const { name, elapsedMs } of saved.stages)
    console.log(`  ${name.padEnd(24)} ${elapsedMs.toFixed(0)} ms`);
}

async function fineTune(): Promise<void> {
  most = 0;
  await goTo(page, 'Demonstrations');
  await page.getByRole('tab', { name: 'Open a dataset' }).click();
  await main(page).getByLabel('Choose a folder').setInputFiles(datasetFolder('v30'));
  await main(page).getByText('LeRobot v3.0, 20 Hz').waitFor();
  await goTo(page, 'Fine-tune');
  await setNumber(page, /^Steps max_steps/, String(steps));
  await setNumber(page, /^Samples per step/, '1');
  const trainable = await page.getByTestId('trainable').innerText();
  const begin = performance.now();
  await page.getByRole('button', { name: 'Start training' }).click();
  const status = teach(page).getByRole('status').first();
  await status.filter({ hasText: /^(Done|Stopped|Failed)/ }).waitFor();
  const losses = await shownLoss(page);
  console.log(
    `${await status.innerText()}: ${losses.points} steps in ${((performance.now() - begin) / 1000).toFixed(0)} s, ${trainable}, ` +
      `loss ${losses.first} to ${losses.last}, most memory of a process ${(most / 1e9).toFixed(2)} GB`,
  );
}
