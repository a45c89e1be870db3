/** A network that damages package files on their way to the page. */
import type { Page, Route } from '@playwright/test';

const MANIFEST = '**/models/tiny/manifest.json';
/** Everything of the package but its manifest. */
const SHARDS = /\/models\/tiny\/(?!manifest\.json)[^?]*$/;
/** The tokenizer is a file of its own, not a shard. */
const isShard = (url: string): boolean => !url.endsWith('.json');

export interface ManifestShape {
  formatVersion: number;
  config: { defaultUnnormKey: string };
  shards: { path: string; byteLength: number; sha256: string }[];
}

/** Serves a manifest that `alter` has changed. */
export async function alterManifest(page: Page, alter: (manifest: ManifestShape) => void): Promise<void> {
  await page.route(MANIFEST, async (route) => {
    const response = await route.fetch();
    const manifest = (await response.json()) as ManifestShape;
    alter(manifest);
    await route.fulfill({ response, body: JSON.stringify(manifest) });
  });
}

/** Passes on the bodies of the first `count` answers for shards as `damage` leaves them; later ones are whole. */
export async function damageShards(
  page: Page,
  count: number,
  damage: (body: Buffer, route: Route) => Buffer,
): Promise<{ damaged: string[] }> {
  const damaged: string[] = [];
  await page.route(SHARDS, async (route) => {
    const url = route.request().url();
    if (!isShard(url) || damaged.length >= count) {
      await route.continue();
      return;
    }
    damaged.push(url);
    const response = await route.fetch();
    const headers = { ...response.headers() };
    // The length of what is passed on, not of what the server sent.
    delete headers['content-length'];
    await route.fulfill({ status: response.status(), headers, body: damage(await response.body(), route) });
  });
  return { damaged };
}

/** The same bytes with one bit of the middle one turned over. */
export function flipByte(body: Buffer): Buffer {
  const copy = Buffer.from(body);
  const middle = copy.length >> 1;
  copy[middle] = copy[middle]! ^ 1;
  return copy;
}
