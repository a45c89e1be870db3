import { expect, test } from './fixtures.ts';
import { decodePng, gradientImage, recordVideo } from './test-media.ts';

test('images and a video serve in place of the camera, and the table shows their chunk', async ({
  policyPage,
  page,
}) => {
  await policyPage.openAndLoad('?instruction=open+the+top+drawer');
  await expect(policyPage.instruction).toHaveValue('open the top drawer');
  await expect(policyPage.startButton).toBeDisabled();

  const image = gradientImage(200, 120);
  const count = await policyPage.slots.count();
  await policyPage.dropFile(0, image);
  if (count > 1) await policyPage.useFile(1, await recordVideo(page));
  await expect(policyPage.slots.first().getByRole('img', { name: /as the model sees it/ })).toBeVisible();

  await policyPage.predictOnce();
  const { saved } = await policyPage.save();
  expect(saved.frames).toHaveLength(count);
  expect(saved.instruction).toBe('open the top drawer');
  // The saved frame is what was dropped, to the last pixel.
  const frame = decodePng(saved.frames[0]!.png);
  expect([frame.width, frame.height]).toEqual([200, 120]);
  expect(Buffer.compare(frame.data, image.pixels)).toBe(0);
  if (count > 1) expect(saved.frames[1]).toMatchObject({ width: 160, height: 120 });

  // The table switches between real and normalised.
  expect(await policyPage.shownChunk()).toEqual(saved.actions);
  await page.getByText('Normalised', { exact: true }).click();
  expect(await policyPage.shownChunk()).toEqual(saved.normalized);
});

test('a file that is no picture is refused in words', async ({ policyPage, page }) => {
  await policyPage.openAndLoad();
  const slot = policyPage.slots.first();
  await slot.locator('input[type=file]').setInputFiles({
    name: 'notes.png',
    mimeType: 'image/png',
    buffer: Buffer.from('not a picture'),
  });
  await expect(policyPage.failure('file-unreadable')).toContainText('notes.png');
  await policyPage.useFile(0, gradientImage(64, 64));
  await expect(policyPage.failure('file-unreadable')).toHaveCount(0);
  await page.getByRole('button', { name: /^Clear/ }).click();
  await expect(slot).toHaveAttribute('data-status', 'empty');
});

test('start follows the camera, Esc stops', async ({ policyPage, page }) => {
  await policyPage.openAndLoad();
  await policyPage.useCameras();
  await policyPage.instruction.fill('pick up the block');
  await policyPage.startButton.click();
  await expect(policyPage.chunk).toBeVisible();
  const first = JSON.stringify(await policyPage.shownChunk());
  await expect.poll(async () => JSON.stringify(await policyPage.shownChunk())).not.toBe(first);
  await expect(page.getByText(/median of the last/)).toBeVisible();

  await page.keyboard.press('Escape');
  await expect(policyPage.startButton).toBeVisible();
  const last = JSON.stringify(await policyPage.shownChunk());
  await page.waitForTimeout(500);
  expect(JSON.stringify(await policyPage.shownChunk())).toBe(last);
  await expect(page).toHaveURL(/instruction=pick\+up\+the\+block/);
});
