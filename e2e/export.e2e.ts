import { readFile } from 'node:fs/promises';
import type { Page } from '@playwright/test';
import { openDataset as openDemonstrations } from '../src/episodes/open-dataset.ts';
import { blobReader } from '../src/io/byte-reader.ts';
import { zipFolder } from '../src/io/zip-folder.ts';
import { diskFolder } from '../tools/node/disk-folder.ts';
import { serveDataset } from './demo-dataset.ts';
import { expect, test } from './fixtures.ts';
import { episodes, goTo, openDataset } from './studio.ts';

const section = (page: Page) => page.getByRole('region', { name: 'Save as a LeRobot dataset' });

async function saved(page: Page) {
  const waiting = page.waitForEvent('download');
  await section(page).getByRole('button', { name: 'Save as a zip' }).click();
  const download = await waiting;
  const bytes = new Uint8Array(await readFile(await download.path()));
  const folder = await zipFolder(
    download.suggestedFilename(),
    blobReader(new Blob([bytes]), download.suggestedFilename()),
  );
  return openDemonstrations(folder);
}

test('a dataset that was opened and edited is saved as LeRobot v3.0 with video, and v2.1 with images', async ({
  policyPage,
  page,
}) => {
  test.slow();
  await serveDataset(page, 'v21');
  await policyPage.openAndLoad();
  await openDataset(page, 'v21');
  await expect(episodes(page).getByRole('listitem')).toHaveCount(6);
  await episodes(page).getByRole('button').first().click();
  await page.getByRole('button', { name: 'Delete', exact: true }).click();
  await expect(episodes(page).getByText('deleted')).toBeVisible();

  const original = await openDemonstrations(diskFolder('tests/episodes/fixtures/v21'));
  for (const [version, frames] of [
    ['v3.0', 'video'],
    ['v2.1', 'images'],
  ] as const) {
    await section(page).getByLabel('Format').selectOption(version);
    await section(page).getByLabel('Frames').selectOption(frames);
    const dataset = await saved(page);
    expect(dataset.format).toBe(`LeRobot ${version}`);
    expect(dataset.episodes).toHaveLength(5);
    for (const { index } of dataset.episodes) {
      const [ours, theirs] = [await original.open(index + 1), await dataset.open(index)];
      expect(theirs.actions).toEqual(ours.actions);
      expect(theirs.state).toEqual(ours.state);
      expect(theirs.instruction).toBe(ours.instruction);
    }
    await expect(section(page).getByRole('status')).toContainText('is written.');
  }
});

test('nothing is sent to the Hub before name and visibility are confirmed', async ({ policyPage, page }) => {
  await serveDataset(page, 'v21');
  const asked: string[] = [];
  await page.route('https://huggingface.co/**', async (route) => {
    asked.push(new URL(route.request().url()).pathname);
    await route.fulfill({ status: 403, json: { error: 'no' } });
  });
  await policyPage.openAndLoad();
  await openDataset(page, 'v21');
  await section(page).getByText('Upload to the Hugging Face Hub').click();
  await section(page).getByLabel('New dataset on the Hub').fill('someone/mine');
  await section(page)
    .getByLabel(/^Access token/)
    .fill('hf_nobody');
  await section(page).getByRole('button', { name: 'Upload…' }).click();
  const confirm = section(page).getByRole('group', { name: 'Confirm the upload' });
  await expect(confirm).toContainText('private dataset someone/mine');
  expect(asked).toEqual([]);
  await confirm.getByRole('button', { name: 'Make it and upload' }).click();
  await expect(section(page).getByRole('alert')).toContainText('status 403');
  expect(asked).toEqual(['/api/repos/create']);
  await goTo(page, 'Run');
  const kept = await page.evaluate(() => JSON.stringify([localStorage, sessionStorage]));
  expect(kept).not.toContain('hf_nobody');
});
