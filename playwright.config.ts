import { createServer } from 'node:net';
import { defineConfig } from '@playwright/test';
import { CAMERA_FLAGS } from './e2e/camera-video.ts';
import { CHROMIUM_FLAGS, findChromium } from './tools/node/find-chromium.ts';

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

// This file is read again in each worker process; they inherit the first one's choice.
process.env['E2E_PORT'] ??= String(await freePort());
const port = process.env['E2E_PORT'];
const baseURL = `http://localhost:${port}/`;
const executablePath = await findChromium();

/** By file name, or by tag. */
const FULL_ONLY = /\.full\.e2e\.ts|@full/;

export default defineConfig({
  testDir: 'e2e',
  // Not *.spec.ts: Vitest would take those for its own.
  projects: [
    { name: 'journeys', testMatch: '*.e2e.ts', testIgnore: '*.lesson.e2e.ts', grepInvert: FULL_ONLY },
    // What `npm run test:full` adds: what takes minutes, and what a shorter journey or a unit test shows as well.
    { name: 'full', testMatch: '*.e2e.ts', testIgnore: '*.lesson.e2e.ts', grep: FULL_ONLY },
    // A whole lesson takes two cores to themselves for a quarter of an hour and more: a measurement, run by hand.
    { name: 'lesson', testMatch: '*.lesson.e2e.ts' },
  ],
  globalSetup: './e2e/global-setup.ts',
  workers: 2,
  // Journeys of one file share nothing but words: workers take them as they become free.
  fullyParallel: true,
  // A journey that fails now and then has a fault, or the page has.
  retries: 0,
  // A prediction on two shared cores with software graphics takes seconds.
  timeout: 120_000,
  expect: { timeout: 30_000 },
  reporter: [['list']],
  forbidOnly: true,
  use: {
    baseURL,
    viewport: { width: 1280, height: 900 },
    actionTimeout: 60_000,
    // Every visit would fetch all files once more, for journeys that never come back; hosting.e2e.ts and offline.e2e.ts allow them.
    serviceWorkers: 'block',
    // Pictures and DOM of each step would cost a seventh of the processor time; the last picture tells most.
    trace: { mode: 'retain-on-failure', screenshots: false, snapshots: false },
    screenshot: 'only-on-failure',
    launchOptions: {
      ...(executablePath ? { executablePath } : {}),
      args: [...CHROMIUM_FLAGS, ...CAMERA_FLAGS],
    },
  },
  webServer: {
    // The built page, as it is served to people.
    command: `node tools/node/run.mjs e2e/serve-site.ts ${port}`,
    url: baseURL,
    timeout: 180_000,
    reuseExistingServer: false,
  },
});
