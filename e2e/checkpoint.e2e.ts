/** An upstream checkpoint from the Hub becomes a policy of the page, without leaving it. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Page } from '@playwright/test';
import { inTwoShards, REPO, repoFiles } from '../tests/convert/repo.ts';
import { hubDouble } from '../tests/io/hub-double.ts';
import type { Files } from '../tests/weights/small-package.ts';
import { expect, test } from './fixtures.ts';
import { expectTheSameInNode } from './node-prediction.ts';
import { routeHub } from './route-hub.ts';
import { gradientImage } from './test-media.ts';

/** Shorter reads are headers, directories and configuration. */
const WEIGHTS = 200_000;
const FIRST_SHARD = 'model-00001-of-00002.safetensors';

/** What `npm run convert` makes of the same files, in a folder of the repository's name. */
async function convertInNode(files: Files, scratch: string): Promise<string> {
  const folder = join(scratch, REPO.split('/')[1]!);
  await mkdir(folder, { recursive: true });
  for (const [path, bytes] of files) await writeFile(join(folder, path), bytes);
  const out = join(scratch, 'package');
  const args = ['tools/node/run.mjs', 'tools/convert/main.ts', folder, out, '--bits', '4'];
  await promisify(execFile)(process.execPath, args);
  return out;
}

/** SHA-256 of what the page has stored of the one package that it made. */
async function storedHashes(page: Page): Promise<Record<string, string>> {
  return page.evaluate(async () => {
    const packages = await (await navigator.storage.getDirectory()).getDirectoryHandle('packages');
    for await (const folder of packages.values()) {
      if (folder.kind !== 'directory') continue;
      const hashes: Record<string, string> = {};
      for await (const handle of folder.values()) {
        if (handle.kind !== 'file') continue;
        const bytes = await (await handle.getFile()).arrayBuffer();
        const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
        hashes[handle.name] = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
      }
      if ('conversion.json' in hashes) return hashes;
    }
    throw new Error('The page has made no package.');
  });
}

test('a checkpoint on the Hub is converted in the page, across a closed tab, as npm run convert does', async ({
  policyPage,
  page,
}, info) => {
  const files = await inTwoShards(await repoFiles());
  const held: (() => void)[] = [];
  const until = new Promise<void>((resolve) => held.push(resolve));
  // The second shard's weights do not come before the tab is closed.
  const hub = await hubDouble(
    { [REPO]: files },
    {
      uses: 2,
      mishap: ({ path, from, to }) =>
        path.startsWith('model-00002') && to - from > WEIGHTS ? { kind: 'held', until } : null,
    },
  );
  await routeHub(page, hub);
  await policyPage.open();
  await expect(policyPage.loadButton).toBeVisible();
  await page.getByText('Use another policy').click();
  const checkpoint = page.getByRole('region', { name: 'Use a checkpoint' });
  await checkpoint.getByLabel(/^A checkpoint/).fill(REPO);
  await checkpoint.getByRole('button', { name: 'Look at it' }).click();
  await expect(checkpoint.getByText('This is OpenVLA-OFT with an L1 head')).toBeVisible();
  const weights = () =>
    hub.served.filter(({ path, from, to }) => !path.endsWith('.json') && to - from > WEIGHTS);
  expect(weights()).toEqual([]);

  await checkpoint.getByRole('button', { name: /^Fetch .* and convert$/ }).click();
  await expect(checkpoint.locator('[data-kept]:not([data-kept="0"])')).toBeVisible();
  expect(weights().map(({ path }) => path)).toContain(FIRST_SHARD);
  await page.reload();
  for (const release of held) release();
  hub.served.length = 0;

  await expect(policyPage.loadButton).toBeVisible();
  await page.getByText('Use another policy').click();
  const begun = page.getByRole('list', { name: 'Conversions that have not ended' });
  await expect(begun.getByText(`from ${REPO}`)).toBeVisible();
  await begun.getByRole('button', { name: 'Go on' }).click();
  await checkpoint.getByRole('heading', { name: 'tiny-libero' }).waitFor();
  await checkpoint.getByRole('button', { name: 'Go on' }).click();
  await policyPage.ready();
  expect(weights().map(({ path }) => path)).not.toContain(FIRST_SHARD);

  const folder = await convertInNode(files, info.outputPath());
  const stored = await storedHashes(page);
  for (const name of await readdir(folder)) {
    const bytes = await readFile(join(folder, name));
    expect({ name, sha256: stored[name] }).toEqual({
      name,
      sha256: createHash('sha256').update(bytes).digest('hex'),
    });
  }

  for (const slot of [0, 1]) await policyPage.useFile(slot, gradientImage(96 + 16 * slot, 80));
  await policyPage.instruction.fill('pick up the red block');
  await policyPage.predictOnce();
  await expectTheSameInNode(policyPage, info, 'pick up the red block', folder);
  await hub.close();
});
