/** The built page as a visitor opens it: from nothing to the first action. */
import { chromium } from '@playwright/test';
import { serveSite } from '../../e2e/site.ts';
import { CHROMIUM_FLAGS, findChromium } from '../node/find-chromium.ts';

export interface PageBench {
  /** From navigation, milliseconds. */
  readonly tableMs: number;
  readonly firstActionMs: number;
  /** Median of a prediction in the page, milliseconds. */
  readonly predictionMs: number;
}

const CHUNKS = 10;

export async function benchPage(): Promise<PageBench> {
  const server = await serveSite(0);
  const executablePath = await findChromium();
  const browser = await chromium.launch({
    args: CHROMIUM_FLAGS,
    ...(executablePath ? { executablePath } : {}),
  });
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    await page.goto(server.url);
    const marks = (name: string, count: number) =>
      page.waitForFunction(
        ([mark, wanted]) => {
          const found = performance.getEntriesByName(mark);
          return found.length >= wanted && found.map((entry) => entry.startTime + entry.duration);
        },
        [name, count] as const,
        { timeout: 120_000 },
      );
    const [tableMs] = (await (await marks('table-open', 1)).jsonValue()) as number[];
    const [firstActionMs] = (await (await marks('action', 1)).jsonValue()) as number[];
    await marks('prediction', CHUNKS);
    const durations = await page.evaluate(() =>
      performance.getEntriesByName('prediction').map(({ duration }) => duration),
    );
    return {
      tableMs: tableMs!,
      firstActionMs: firstActionMs!,
      predictionMs: durations.toSorted((a, b) => a - b)[durations.length >> 1]!,
    };
  } finally {
    await browser.close();
    await server.close();
  }
}
