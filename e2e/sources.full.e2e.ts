/** Each way in which demonstrations come: opened, looked at, checked, and trained on for two steps, with the smallest policy. */
import type { Page } from '@playwright/test';
import { fixtureFiles } from '../tests/episodes/fixture-source.ts';
import { hubDouble } from '../tests/io/hub-double.ts';
import { quirkyHost } from '../tests/io/quirky-host.ts';
import { datasetFolder } from './demo-dataset.ts';
import { chooseSmallRun, main, shownLoss, teach } from './finetune-page.ts';
import { expect, test } from './fixtures.ts';
import { routeHub } from './route-hub.ts';
import { episodes, goTo } from './studio.ts';

interface Source {
  readonly name: string;
  readonly episodes: number;
  readonly format: RegExp;
  /** @returns what is to be done when the journey is over */
  open(page: Page): Promise<() => Promise<void>>;
}

const nothing = async (): Promise<void> => undefined;

async function chooseFolder(page: Page, path: string): Promise<() => Promise<void>> {
  await page.getByLabel('Choose a folder').setInputFiles(path);
  return nothing;
}

async function chooseFile(page: Page, path: string): Promise<() => Promise<void>> {
  await page.getByLabel('Choose a zip or HDF5 files').setInputFiles(path);
  return nothing;
}

async function typeAddress(page: Page, text: string): Promise<void> {
  await page.getByLabel('or an address, or a Hub repository').fill(text);
  await page.getByRole('button', { name: 'Open', exact: true }).click();
}

const SOURCES: readonly Source[] = [
  {
    name: 'a LeRobot folder',
    episodes: 6,
    format: /^LeRobot v3\.0/,
    open: (page) => chooseFolder(page, datasetFolder('v30')),
  },
  {
    name: 'a zip of the Finder',
    episodes: 2,
    format: /^LeRobot/,
    open: (page) => chooseFile(page, 'tests/io/fixtures/dataset-zip-finder.zip'),
  },
  {
    name: 'a zip of Windows',
    episodes: 6,
    format: /^LeRobot/,
    open: (page) => chooseFile(page, 'tests/io/fixtures/dataset-zip-backslashes.zip'),
  },
  {
    name: 'an HDF5 file',
    episodes: 3,
    format: /^HDF5 \(LIBERO/,
    open: (page) => chooseFile(page, 'tests/episodes/fixtures/hdf5-libero/pick_up_the_black_bowl_demo.hdf5'),
  },
  {
    name: 'an RLDS folder',
    episodes: 3,
    format: /^RLDS \(TFDS 1\.0\.0/,
    open: (page) => chooseFolder(page, 'tests/episodes/fixtures/rlds'),
  },
  {
    name: 'a host that compresses',
    episodes: 6,
    format: /^LeRobot v3\.0/,
    open: async (page) => {
      const habits = { gzip: true, refusesHead: true, cors: true };
      const host = await quirkyHost(await fixtureFiles('v30'), habits);
      await typeAddress(page, host.url);
      return () => host.close();
    },
  },
  {
    name: 'a repository of the Hub',
    episodes: 6,
    format: /^LeRobot v3\.0/,
    open: async (page) => {
      const hub = await hubDouble({ 'datasets/lerobot/mine': await fixtureFiles('v30') }, { uses: 2 });
      await routeHub(page, hub);
      await typeAddress(page, 'lerobot/mine');
      return () => hub.close();
    },
  },
];

for (const source of SOURCES) {
  test(`${source.name} is opened, looked at, checked and trained on`, async ({ policyPage, page }) => {
    test.setTimeout(600_000);
    await policyPage.openAndLoad();
    await goTo(page, 'Demonstrations');
    await page.getByRole('tab', { name: 'Open a dataset' }).click();
    const close = await source.open(page);
    await expect(episodes(page).getByRole('listitem')).toHaveCount(source.episodes, { timeout: 120_000 });
    await expect(main(page).getByText(source.format).first()).toBeVisible();
    // A frame of it is drawn.
    await expect(
      main(page)
        .getByRole('img', { name: / at step \d+$/ })
        .first(),
    ).toBeVisible();

    await chooseSmallRun(page, 'from there', 2);
    await page.getByRole('button', { name: 'Start training' }).click();
    await expect(teach(page).getByRole('status').first()).toHaveText('Done', { timeout: 300_000 });
    expect((await shownLoss(page)).points).toBe(2);
    await expect(teach(page).getByText(/^Read as action: /)).toBeVisible();

    // What it has learned is held against what was shown.
    await page.getByRole('button', { name: /^Check \d+ frames/ }).click();
    await expect(page.getByText(/normalised, over \d+ frames, by from there/)).toBeVisible({
      timeout: 120_000,
    });
    await close();
  });
}

test('features chosen by hand are there again when the dataset is opened anew, and with the run', async ({
  policyPage,
  page,
}) => {
  test.setTimeout(600_000);
  const file = 'tests/episodes/fixtures/hdf5-libero/pick_up_the_black_bowl_demo.hdf5';
  const choice = main(page).getByText(
    /^Read as action: actions; state: ee_states; 1 of 2 cameras\. As you chose\./,
  );
  await policyPage.openAndLoad();
  await goTo(page, 'Demonstrations');
  await page.getByRole('tab', { name: 'Open a dataset' }).click();
  await chooseFile(page, file);
  await expect(episodes(page).getByRole('listitem')).toHaveCount(3);
  await page.getByText(/^Read as action/).click();
  await main(page)
    .getByRole('checkbox', { name: /^gripper_states/ })
    .uncheck();
  await main(page)
    .getByRole('checkbox', { name: /^eye_in_hand_rgb/ })
    .uncheck();
  await page.getByRole('button', { name: 'Read it this way' }).click();
  await expect(choice).toBeVisible();

  await page.reload();
  await policyPage.ready();
  await goTo(page, 'Demonstrations');
  await page.getByRole('tab', { name: 'Open a dataset' }).click();
  await chooseFile(page, file);
  await expect(choice).toBeVisible();

  await chooseSmallRun(page, 'one camera', 1);
  await page.getByRole('button', { name: 'Start training' }).click();
  await expect(teach(page).getByRole('status').first()).toHaveText('Done', { timeout: 300_000 });
  await expect(
    teach(page).getByText('Read as action: actions; state: ee_states; cameras: agentview_rgb'),
  ).toBeVisible();
});
