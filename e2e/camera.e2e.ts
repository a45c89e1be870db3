import { chromium, type Page } from '@playwright/test';
import { expect, test } from './fixtures.ts';
import { PolicyPage } from './policy-page.ts';
import { gradientImage } from './test-media.ts';

/** Makes `getUserMedia` answer as a browser does in situations that a fake camera cannot be brought into. */
async function rejectCamera(page: Page, name: string): Promise<void> {
  await page.evaluate((errorName) => {
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', errorName));
  }, name);
}

test('a refused camera is told, and a file serves instead', async ({ baseURL, launchOptions }) => {
  // The switch takes the place of a user who presses "Block".
  const args = [...(launchOptions.args ?? []), '--use-fake-ui-for-media-stream=deny'];
  const browser = await chromium.launch({ ...launchOptions, args });
  try {
    const policyPage = new PolicyPage(await browser.newPage({ baseURL: baseURL! }));
    await policyPage.openAndLoad();
    await policyPage.slots
      .first()
      .getByRole('button', { name: /^Use camera/ })
      .click();
    await expect(policyPage.failure('camera-refused')).toContainText('Allow the camera');
    await policyPage.useFile(0, gradientImage(64, 64));
    await expect(policyPage.failure('camera-refused')).toHaveCount(0);
  } finally {
    await browser.close();
  }
});

test('a camera that is missing or busy is told', { tag: '@full' }, async ({ policyPage, page }) => {
  await policyPage.openAndLoad();
  for (const [name, code] of [
    ['NotFoundError', 'camera-missing'],
    ['NotReadableError', 'camera-busy'],
  ] as const) {
    await rejectCamera(page, name);
    await policyPage.slots
      .first()
      .getByRole('button', { name: /^Use camera/ })
      .click();
    await expect(policyPage.failure(code)).toBeVisible();
  }
});

test('a camera that is unplugged ends the run and is told', async ({ policyPage, page }) => {
  await policyPage.openAndLoad('?instruction=open+the+drawer');
  await policyPage.useCameras();
  await policyPage.startButton.click();
  await expect(policyPage.chunk).toBeVisible();
  await page.evaluate(() => {
    const stream = document.querySelector('video')?.srcObject;
    if (!(stream instanceof MediaStream)) throw new Error('No camera stream is shown.');
    // Ending a track from the page fires no event; the browser does when the device goes.
    for (const track of stream.getTracks()) {
      track.stop();
      track.dispatchEvent(new Event('ended'));
    }
  });
  await expect(policyPage.slots.first().getByRole('alert')).toContainText('unplugged');
  await expect(policyPage.startButton).toBeVisible();
  await expect(policyPage.startButton).toBeDisabled();
});
