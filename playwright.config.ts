import { createServer } from 'node:net';
import { defineConfig } from '@playwright/test';
import { cameraVideoPath } from './e2e/camera-video.ts';
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

export default defineConfig({
  testDir: 'e2e',
  // Not *.spec.ts: Vitest would take those for its own.
  testMatch: '*.e2e.ts',
  globalSetup: './e2e/global-setup.ts',
  workers: 1,
  // On a crowded machine some journey in a hundred meets a minute in which nothing gets a turn. A second attempt tells that from a
  // fault, and the report calls it flaky; what fails twice fails.
  retries: 1,
  // A prediction on two shared cores with software graphics takes seconds.
  timeout: 120_000,
  expect: { timeout: 30_000 },
  reporter: [['list']],
  forbidOnly: true,
  use: {
    baseURL,
    viewport: { width: 1280, height: 900 },
    actionTimeout: 60_000,
    trace: 'retain-on-failure',
    launchOptions: {
      ...(executablePath ? { executablePath } : {}),
      args: [
        ...CHROMIUM_FLAGS,
        '--use-fake-device-for-media-stream',
        '--use-fake-ui-for-media-stream',
        `--use-file-for-fake-video-capture=${cameraVideoPath}`,
      ],
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
