import { expect, test } from './fixtures.ts';
import { expectTheSameInNode } from './node-prediction.ts';

const INSTRUCTION = 'put the carrot in the basket';

// On WebGPU: backend.e2e.ts and prediction.full.e2e.ts.
test('the chunk shown, once and streaming, is what Node predicts for the same frames', async ({
  policyPage,
  page,
}, info) => {
  await policyPage.openAndLoad();
  await policyPage.useCameras();
  await page.getByRole('button', { name: INSTRUCTION }).click();
  await policyPage.predictOnce();
  const once = await expectTheSameInNode(policyPage, info, INSTRUCTION);

  await policyPage.startButton.click();
  await expect.poll(() => policyPage.shownChunk()).not.toEqual(once.actions);
  await page.keyboard.press('Escape');
  await expect(policyPage.startButton).toBeVisible();
  await expectTheSameInNode(policyPage, info, INSTRUCTION);
});
