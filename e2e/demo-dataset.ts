/** LeRobot fixtures as a visitor has them: on a web server, or as a folder. */
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Page } from '@playwright/test';

const FIXTURES = 'tests/episodes/fixtures';

/**
 * Serves a fixture below `/demo/<name>/`, with range requests; `alter` changes its meta/info.json, `video` takes the place of every
 * video.
 */
export async function serveDataset(
  page: Page,
  name: string,
  { alter, video }: { alter?: (info: string) => string; video?: string } = {},
): Promise<void> {
  await page.route(`**/demo/${name}/**`, async (route) => {
    const request = route.request();
    const path = decodeURIComponent(new URL(request.url()).pathname).split(`/demo/${name}/`)[1]!;
    const from = video && path.endsWith('.mp4') ? video : join(name, path);
    const file = await readFile(join(FIXTURES, from)).catch(() => null);
    const body = file && alter && path === 'meta/info.json' ? Buffer.from(alter(file.toString())) : file;
    if (!body) {
      await route.fulfill({ status: 404 });
      return;
    }
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers()['range'] ?? '');
    if (request.method() === 'HEAD') {
      await route.fulfill({ status: 200, headers: { 'content-length': String(body.byteLength) } });
    } else if (range) {
      await route.fulfill({ status: 206, body: body.subarray(Number(range[1]), Number(range[2]) + 1) });
    } else {
      await route.fulfill({ status: 200, body });
    }
  });
}

/** Path of a fixture, for a folder picker. */
export function datasetFolder(name: string): string {
  return resolve(FIXTURES, name);
}
