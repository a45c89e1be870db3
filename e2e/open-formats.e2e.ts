/** HDF5 files and TFDS folders in the built page, under its Content-Security-Policy. */
import { expect, test } from './fixtures.ts';
import { episodes, goTo } from './studio.ts';

const FIXTURES = 'tests/episodes/fixtures';

test('an HDF5 file is chosen, and shown with its frames', async ({ policyPage, page }) => {
  await policyPage.openAndLoad();
  await goTo(page, 'Demonstrations');
  await page.getByRole('tab', { name: 'Open a dataset' }).click();
  await page
    .getByLabel('Choose a zip or HDF5 files')
    .setInputFiles(`${FIXTURES}/hdf5-libero/pick_up_the_black_bowl_demo.hdf5`);
  await expect(episodes(page).getByRole('listitem')).toHaveCount(3);
  await expect(page.getByText('HDF5 (LIBERO layout', { exact: false }).first()).toBeVisible();
  await expect(page.getByText('pick up the black bowl').first()).toBeVisible();
  expect(policyPage.pageErrors).toEqual([]);
});

test(
  'a TFDS folder is chosen, and read as openvla-oft reads it',
  { tag: '@full' },
  async ({ policyPage, page }) => {
    await policyPage.openAndLoad();
    await goTo(page, 'Demonstrations');
    await page.getByRole('tab', { name: 'Open a dataset' }).click();
    await page.getByLabel('Choose a folder').setInputFiles(`${FIXTURES}/rlds`);
    await expect(episodes(page).getByRole('listitem')).toHaveCount(3);
    await expect(page.getByText('RLDS (TFDS 1.0.0', { exact: false }).first()).toBeVisible();
    await expect(page.getByText('open the top drawer').first()).toBeVisible();
    // What is done to the numbers is said, and can be switched off.
    const standardise = page.getByRole('checkbox', { name: /Standardise as openvla-oft does/ });
    await expect(standardise).toBeChecked();
    await standardise.uncheck();
    await expect(standardise).not.toBeChecked();
    await page.getByRole('checkbox', { name: 'Turn pictures by 180°' }).check();
    await expect(page.getByRole('checkbox', { name: 'Turn pictures by 180°' })).toBeChecked();
    await expect(standardise).not.toBeChecked();
    expect(policyPage.pageErrors).toEqual([]);
  },
);
