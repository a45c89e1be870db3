/** `npm run bench:load`: what a first visit to the built page costs: bytes, times, and which heavy parts are fetched when. */
import { chromium, type Browser } from '@playwright/test';
import { serveSite } from '../../e2e/site.ts';
import { parseArguments } from '../node/arguments.ts';
import { CHROMIUM_FLAGS, findChromium } from '../node/find-chromium.ts';

const USAGE = `usage: npm run bench:load -- [options]

Visits the built page in Chromium with an empty cache and prints bytes and time until something is painted, until the page
answers and until the policy acts; and which heavy parts were fetched when.

  --network NAME    localhost, or fast-4g: Lighthouse's, 1.6 Mbit/s and 150 ms (default localhost)
  --runs N          visits, of which the median is printed (default 3)`;

const args = parseArguments(USAGE, {
  options: {
    runs: { type: 'string', default: '3' },
    network: { type: 'string', default: 'localhost' },
  },
});
const runs = args.wholeNumber('runs', 1);
const network = args.oneOf('network', ['localhost', 'fast-4g']);

const MBIT = 1e6 / 8;
const FAST_4G = {
  offline: false,
  latency: 150,
  downloadThroughput: 1.6 * MBIT,
  uploadThroughput: 0.75 * MBIT,
};

/** Parts that a first paint has no use for, by what their files are called. */
const HEAVY: Readonly<Record<string, RegExp>> = {
  onnxruntime: /ort|\.jsep|onnxruntime/i,
  'practice worker (MuJoCo, three.js)': /practice-worker/,
  MuJoCo: /mujoco/i,
  'policy worker': /policy-worker/,
  mediabunny: /mediabunny/i,
  plots: /uplot|curve-plot|track-plot|plot/i,
  'policy package': /\/models\//,
};

interface Visit {
  readonly paintMs: number;
  readonly paintBytes: number;
  readonly interactiveMs: number;
  readonly actionMs: number;
  readonly totalBytes: number;
  readonly files: readonly { url: string; bytes: number; atMs: number }[];
}

async function visit(browser: Browser, url: string): Promise<Visit> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  const devtools = await context.newCDPSession(page);
  await devtools.send('Network.enable');
  if (network === 'fast-4g') await devtools.send('Network.emulateNetworkConditions', FAST_4G);
  const started = new Map<string, { url: string; at: number }>();
  const finished: { url: string; bytes: number; at: number }[] = [];
  devtools.on('Network.requestWillBeSent', ({ requestId, request, timestamp }) =>
    started.set(requestId, { url: request.url, at: timestamp }),
  );
  devtools.on('Network.loadingFinished', ({ requestId, encodedDataLength, timestamp }) => {
    const request = started.get(requestId);
    if (request) finished.push({ url: request.url, bytes: encodedDataLength, at: timestamp });
  });
  await page.goto(url);
  const mark = async (name: string) =>
    (await (
      await page.waitForFunction((wanted) => performance.getEntriesByName(wanted)[0]?.startTime, name, {
        timeout: 300_000,
      })
    ).jsonValue())!;
  const paintMs = await mark('first-contentful-paint');
  const interactiveMs = await mark('table-open');
  const actionMs = await mark('action');
  const [first] = [...started.values()];
  const atMs = (at: number) => 1000 * (at - first!.at);
  const files = finished.map(({ url: file, bytes, at }) => ({ url: file, bytes, atMs: atMs(at) }));
  await context.close();
  return {
    paintMs,
    paintBytes: files.filter((file) => file.atMs <= paintMs).reduce((sum, { bytes }) => sum + bytes, 0),
    interactiveMs,
    actionMs,
    totalBytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    files,
  };
}

const server = await serveSite(0);
const executablePath = await findChromium();
const browser = await chromium.launch({
  args: CHROMIUM_FLAGS,
  ...(executablePath ? { executablePath } : {}),
});
const visits: Visit[] = [];
for (let run = 0; run < runs; run++) visits.push(await visit(browser, server.url));
await browser.close();
await server.close();

const median = (of: (visit: Visit) => number): number =>
  visits.map(of).toSorted((a, b) => a - b)[visits.length >> 1]!;
const kilobytes = (bytes: number): string => `${(bytes / 1000).toFixed(0)} kB`;
console.log(`network: ${network}; median of ${visits.length} visits with an empty cache`);
console.log(
  `first paint         ${median((v) => v.paintMs).toFixed(0)} ms, after ${kilobytes(median((v) => v.paintBytes))}`,
);
console.log(`table set           ${median((v) => v.interactiveMs).toFixed(0)} ms`);
console.log(
  `first action        ${median((v) => v.actionMs).toFixed(0)} ms, after ${kilobytes(median((v) => v.totalBytes))}`,
);
const [last] = visits.slice(-1);
console.log('heavy parts of the page’s own requests, last visit (workers fetch more by themselves):');
for (const [name, pattern] of Object.entries(HEAVY)) {
  const found = last!.files.filter(({ url }) => pattern.test(url));
  const bytes = found.reduce((sum, file) => sum + file.bytes, 0);
  const when =
    found.length > 0
      ? `${kilobytes(bytes)}, from ${Math.min(...found.map(({ atMs }) => atMs)).toFixed(0)} ms`
      : 'not fetched';
  console.log(`  ${name.padEnd(36)} ${when}`);
}
process.exit(0);
