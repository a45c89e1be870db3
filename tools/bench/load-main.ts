/** `npm run bench:load`: what a first visit to the built page costs: bytes, times, and what is fetched when, by the page and by its workers. */
import { chromium, type Browser } from '@playwright/test';
import { serveSite } from '../../e2e/site.ts';
import { parseArguments } from '../node/arguments.ts';
import { CHROMIUM_FLAGS, findChromium } from '../node/find-chromium.ts';
import { slowProxy, type Line } from './slow-proxy.ts';

const USAGE = `usage: npm run bench:load -- [options]

Visits the built page in Chromium with an empty cache and prints bytes and time until something is painted, until the page
answers and until the policy acts; and every file that page and workers fetched until then.

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
const LINES: Readonly<Record<typeof network, Line>> = {
  localhost: { bytesPerSecond: Infinity, latencyMs: 0 },
  'fast-4g': { bytesPerSecond: 1.6 * MBIT, latencyMs: 150 },
};

interface Visit {
  /** Milliseconds since the page was asked for. */
  readonly paintMs: number;
  readonly tableMs: number;
  readonly actionMs: number;
  /** What page and workers fetched until the policy acted, in the order in which they asked for it. */
  readonly files: readonly {
    readonly name: string;
    readonly bytes: number;
    readonly fromMs: number;
    readonly toMs: number;
  }[];
}

/** Of a file with a hash in its name, what the hash is not. */
const plain = (path: string): string =>
  path
    .replace(/^.*\/(assets|models)\//, '')
    .replace(/-[\w-]{8}(\.[\w.]+)$/, '$1')
    .replace(/\?.*$/, '');

async function visit(browser: Browser, site: string): Promise<Visit> {
  const proxy = await slowProxy(site, LINES[network]);
  const context = await browser.newContext({
    viewport: { width: 1280, height: 900 },
    serviceWorkers: 'block',
  });
  const page = await context.newPage();
  const start = Date.now();
  await page.goto(proxy.url);
  const mark = async (name: string) =>
    (await (
      await page.waitForFunction((wanted) => performance.getEntriesByName(wanted)[0]?.startTime, name, {
        timeout: 300_000,
      })
    ).jsonValue())!;
  const paintMs = await mark('first-contentful-paint');
  const tableMs = await mark('table-open');
  const actionMs = await mark('action');
  const files = proxy.crossed
    .filter(({ askedAt }) => askedAt <= start + actionMs)
    .toSorted((a, b) => a.askedAt - b.askedAt)
    .map(({ path, bytes, askedAt, doneAt }) => ({
      name: plain(path),
      bytes,
      fromMs: askedAt - start,
      toMs: doneAt - start,
    }));
  await context.close();
  await proxy.close();
  return { paintMs, tableMs, actionMs, files };
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
/** What had come by then. */
const by = ({ files }: Visit, ms: number): number =>
  files.filter(({ toMs }) => toMs <= ms).reduce((sum, { bytes }) => sum + bytes, 0);
console.log(`network: ${network}; median of ${visits.length} visits with an empty cache; bytes of the last`);
const [last] = visits.slice(-1);
const LANDMARKS = [
  ['first paint', (v: Visit) => v.paintMs],
  ['table set', (v: Visit) => v.tableMs],
  ['first action', (v: Visit) => v.actionMs],
] as const;
for (const [name, of] of LANDMARKS) {
  console.log(
    `${name.padEnd(14)}${median(of).toFixed(0).padStart(7)} ms, after ${kilobytes(by(last!, of(last!)))}`,
  );
}
console.log('what page and workers fetched until then, asked for … come, ms:');
for (const { name, bytes, fromMs, toMs } of last!.files) {
  console.log(
    `${kilobytes(bytes).padStart(9)}  ${fromMs.toFixed(0).padStart(6)} … ${toMs.toFixed(0).padStart(6)}  ${name}`,
  );
}
process.exit(0);
