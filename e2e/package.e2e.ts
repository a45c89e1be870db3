import type { Page, Request } from '@playwright/test';
import { alterManifest, damageShards, flipByte } from './damaged-network.ts';
import { expect, test } from './fixtures.ts';
import { faults } from './violations.ts';

/** Requests for shards: everything of the package that is not JSON. */
function shardRequests(requests: readonly Request[]): Request[] {
  return requests.filter((request) => !request.url().endsWith('.json'));
}

function fileName(url: string): string {
  return url.slice(url.lastIndexOf('/') + 1);
}

/** First byte that a request asks for. */
function rangeStart(request: Request): number {
  const range = request.headers()['range'] ?? 'bytes=0-';
  return Number(/^bytes=(\d+)-/.exec(range)?.[1]);
}

/** Turns a bit over in the largest file that the page has stored; gives its name. */
async function damageStoredFile(page: Page): Promise<string> {
  return page.evaluate(async () => {
    const files: FileSystemFileHandle[] = [];
    const walk = async (folder: FileSystemDirectoryHandle): Promise<void> => {
      for await (const handle of folder.values()) {
        if (handle.kind === 'directory') await walk(handle);
        else files.push(handle);
      }
    };
    await walk(await navigator.storage.getDirectory());
    const sized = await Promise.all(files.map(async (handle) => ({ handle, file: await handle.getFile() })));
    const largest = sized.toSorted((a, b) => b.file.size - a.file.size)[0];
    if (!largest) throw new Error('The page has stored no file.');
    const middle = largest.file.size >> 1;
    const byte = new Uint8Array(await largest.file.slice(middle, middle + 1).arrayBuffer());
    const writer = await largest.handle.createWritable({ keepExistingData: true });
    await writer.write({ type: 'write', position: middle, data: byte.map((value) => value ^ 1) });
    await writer.close();
    return largest.handle.name;
  });
}

test('the check comes before any shard is fetched', async ({ policyPage, page }) => {
  await policyPage.open();
  await expect(policyPage.loadButton).toBeVisible();
  await expect(page.getByRole('heading', { name: /^This machine can/ })).toBeVisible();
  for (const label of ['Memory', 'Storage']) {
    await expect(page.locator('.check-label', { hasText: label })).toBeVisible();
  }
  await expect(page.getByText('Nothing is sent anywhere')).toBeVisible();
  expect(shardRequests(policyPage.modelRequests)).toEqual([]);
});

test('a reload uses the stored policy and fetches nothing of it', async ({ policyPage, page }) => {
  await policyPage.openAndLoad();
  expect(shardRequests(policyPage.modelRequests).length).toBeGreaterThan(0);
  policyPage.modelRequests.length = 0;
  await page.reload();
  await policyPage.ready();
  expect(policyPage.modelRequests.map((request) => request.url())).toEqual([]);

  await page.getByText('About this policy').click();
  await page.getByRole('button', { name: 'Remove from this device' }).click();
  await page.getByRole('button', { name: 'Delete for good' }).click();
  await expect(policyPage.loadButton).toBeVisible();
});

test(
  'a shard that was cut short resumes where it stopped',
  { tag: '@full' },
  async ({ policyPage, page }) => {
    let kept = 0;
    const { damaged } = await damageShards(page, 1, (body) => {
      kept = body.length >> 1;
      return body.subarray(0, kept);
    });
    await policyPage.open();
    await policyPage.loadButton.click();
    await expect(policyPage.failure('download-failed')).toBeVisible();
    const cut = damaged[0]!;
    await expect(policyPage.failure('download-failed')).toContainText(fileName(cut));

    const before = policyPage.modelRequests.length;
    await page.getByRole('button', { name: 'Resume download' }).click();
    await policyPage.ready();
    const again = policyPage.modelRequests.slice(before).filter((request) => request.url() === cut);
    expect(kept).toBeGreaterThan(0);
    expect(rangeStart(again[0]!)).toBe(kept);
  },
);

test(
  'a byte that flips in the download is detected and the shard fetched again',
  { tag: '@full' },
  async ({ policyPage, page }) => {
    const { damaged } = await damageShards(page, 1, flipByte);
    await policyPage.openAndLoad();
    const fetched = shardRequests(policyPage.modelRequests).filter((request) => request.url() === damaged[0]);
    expect(fetched.filter((request) => rangeStart(request) === 0)).toHaveLength(2);
  },
);

test(
  'a shard that stays damaged is named, and can be fetched again',
  { tag: '@full' },
  async ({ policyPage, page }) => {
    let damaging = true;
    const { damaged } = await damageShards(page, Infinity, (body) => (damaging ? flipByte(body) : body));
    await policyPage.open();
    await policyPage.loadButton.click();
    const failure = policyPage.failure('hash-mismatch');
    await expect(failure).toBeVisible();
    await expect(failure).toContainText(fileName(damaged[0]!));

    damaging = false;
    await page.getByRole('button', { name: 'Fetch the damaged part again' }).click();
    await policyPage.ready();
  },
);

test(
  'a byte that flips in the stored file is detected and its shard fetched again',
  { tag: '@full' },
  async ({ policyPage, page }) => {
    await policyPage.openAndLoad();
    const whole = shardRequests(policyPage.modelRequests);
    await damageStoredFile(page);
    policyPage.modelRequests.length = 0;
    await page.reload();
    await policyPage.ready();
    const again = shardRequests(policyPage.modelRequests);
    expect(again.length).toBeGreaterThan(0);
    expect(whole.map((request) => request.url())).toContain(again[0]!.url());

    // What is stored now is whole again.
    policyPage.modelRequests.length = 0;
    await page.reload();
    await policyPage.ready();
    expect(policyPage.modelRequests).toEqual([]);
  },
);

test('an unknown package version is told before any download', async ({ policyPage, page }) => {
  await alterManifest(page, (manifest) => {
    manifest.formatVersion = 99;
  });
  await policyPage.open();
  await expect(policyPage.failure('package-version')).toContainText('99');
  expect(shardRequests(policyPage.modelRequests)).toEqual([]);
});

test('a missing statistics key is told', async ({ policyPage, page }) => {
  await alterManifest(page, (manifest) => {
    manifest.config.defaultUnnormKey = 'no_such_robot';
  });
  await policyPage.open();
  await expect(policyPage.failure('missing-statistics')).toContainText('no_such_robot');
  expect(shardRequests(policyPage.modelRequests)).toEqual([]);
});

test('a package that is not there is told, and the default can be opened', async ({ policyPage, page }) => {
  await policyPage.open('?policy=models/nowhere/manifest.json');
  await expect(page.getByRole('alert')).toContainText('models/nowhere/manifest.json');
  expect(await faults(page)).toEqual([]);
  // The field for another address is open already.
  await page.getByRole('button', { name: 'Back to the default policy' }).click();
  await expect(policyPage.loadButton).toBeVisible();
  expect(new URL(page.url()).searchParams.has('policy')).toBe(false);
});
