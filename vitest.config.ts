import { availableParallelism } from 'node:os';
import { playwright } from '@vitest/browser-playwright';
import { defineConfig } from 'vitest/config';
import { CHROMIUM_FLAGS, findChromium } from './tools/node/find-chromium.ts';

const chromium = await findChromium();
if (chromium === null) {
  throw new Error(
    'No Chromium for the browser tests: run `npm test`, which installs one, or set CHROMIUM_PATH.',
  );
}

// Code that runs on both hosts is tested on both, by the same files: on Dawn in `npm test`, in Chromium in `npm run test:full`.
const KERNELS = ['src/model/kernels/**/*.test.ts'];
// What only a browser has: WebCodecs, canvases.
const BROWSER_ONLY = ['tests/**/*.browser.test.ts'];
const IMAGES = ['src/model/policy/image-processor*.test.ts'];
// What takes minutes: `npm run test:full`.
const FULL_ONLY = ['tests/**/*.full.test.ts'];
/** Each in a process of its own: they mock modules or change what is global, or hold a GPU device: a process that opened two on Dawn ends badly. */
const ISOLATED = [
  'src/app/**/*.test.ts',
  'tests/server/share-client.test.ts',
  // Without the decoders of video that other files register for good.
  'tests/episodes/lerobot.test.ts',
  'tests/runtime/**/*.test.ts',
  'tests/practice/cameras.test.ts',
  ...KERNELS,
  ...IMAGES,
];
/** Tests that `npm run test:full` runs once more, for longer. */
const LONGER = ['tests/**/*.property.test.ts', 'tests/server/{killed,share-manifest,adapter-file}.test.ts'];

function inChromium(name: string, include: string[]) {
  return {
    // Named beforehand: a dependency that Vite discovers while tests run reloads the page under them.
    optimizeDeps: {
      include: [
        'valibot',
        'apache-arrow',
        'h5wasm',
        'hyparquet',
        ...['column', 'convert', 'datapage', 'plain', 'schema'].map((file) => `hyparquet/src/${file}.js`),
        'hyparquet-compressors',
        'hyparquet-writer',
        'three/webgpu',
        'three/addons/utils/BufferGeometryUtils.js',
        'mediabunny',
      ],
    },
    test: {
      name,
      include,
      testTimeout: 30_000,
      browser: {
        enabled: true,
        headless: true,
        screenshotFailures: false,
        provider: playwright({ launchOptions: { executablePath: chromium!, args: CHROMIUM_FLAGS } }),
        instances: [{ browser: 'chromium' as const }],
      },
    },
  };
}

export default defineConfig({
  test: {
    // `npm run coverage:workers`: races live there.
    coverage: {
      include: ['src/workers/**/*.ts'],
      reporter: ['text'],
      thresholds: { lines: 85 },
    },
    // By default one core is left to Vitest itself, of two that is half.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    projects: [
      {
        test: {
          name: 'node',
          include: ['{src,tests,tools,server}/**/*.test.ts'],
          exclude: [...BROWSER_ONLY, ...FULL_ONLY, ...ISOLATED],
          pool: 'forks',
          // Files that come after one another in a process load what they share once: two thirds of the time that loading takes.
          isolate: false,
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'isolated',
          include: ISOLATED,
          exclude: [...BROWSER_ONLY, ...FULL_ONLY],
          // Dawn picks its Vulkan driver by an environment variable, which worker threads cannot set.
          pool: 'forks',
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'full',
          include: [...FULL_ONLY, ...LONGER],
          pool: 'forks',
          env: { KILLS: '20', FUZZ_TIMES: '20' },
          testTimeout: 300_000,
        },
      },
      inChromium('chromium', [...BROWSER_ONLY, ...IMAGES]),
      // The same files run on Dawn in the fast test.
      inChromium('chromium-full', KERNELS),
    ],
  },
});
