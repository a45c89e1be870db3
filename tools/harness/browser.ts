/** Node side: starts Vite and a real Chromium, and runs jobs in the harness page. */
import { chromium, type Page } from '@playwright/test';
import { createServer, type Plugin } from 'vite';
import { CHROMIUM_FLAGS, findChromium } from '../node/find-chromium.ts';

export interface Browser {
  run<T>(job: string, args: Record<string, unknown>): Promise<T>;
  page: Page;
  close(): Promise<void>;
}

/** @param plugins extra middleware, to serve a folder to the page for example */
export async function openHarness(plugins: Plugin[] = []): Promise<Browser> {
  const server = await createServer({
    server: { port: 0, watch: null, hmr: false },
    logLevel: 'error',
    plugins,
    // A second Vite beside `npm start` must not fight over its cache of pre-bundled modules.
    cacheDir: 'node_modules/.vite-harness',
  });
  await server.listen();
  const executablePath = await findChromium();
  const browser = await chromium.launch({
    args: CHROMIUM_FLAGS,
    ...(executablePath ? { executablePath } : {}),
  });
  const page = await browser.newPage();
  page.on('pageerror', (error) => console.error(`page: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error') console.error(`page: ${message.text()}`);
  });
  const port = (server.httpServer!.address() as { port: number }).port;
  await page.goto(`http://localhost:${port}/tools/harness/index.html`);
  await page.waitForFunction(() => document.title === 'ready', undefined, { timeout: 60_000 });
  return {
    page,
    run: (job, args) =>
      page.evaluate(([name, jobArgs]) => window.runJob(name, jobArgs as never), [
        job,
        args,
      ] as const) as Promise<never>,
    close: async () => {
      await browser.close();
      await server.close();
    },
  };
}
