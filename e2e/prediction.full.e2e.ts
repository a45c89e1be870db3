import { expect, test } from './fixtures.ts';
import { expectTheSameInNode } from './node-prediction.ts';

const INSTRUCTION = 'put the carrot in the basket';

test('the chunk shown while streaming on WebGPU is what Node predicts for the same frames', async ({
  policyPage,
  page,
}, info) => {
  test.slow(); // WebGPU in software.
  await policyPage.openAndLoad('?backend=webgpu');
  await expect(policyPage.usedBackend).toHaveText('WebGPU');
  await policyPage.useCameras();
  await page.getByRole('button', { name: INSTRUCTION }).click();
  await policyPage.startButton.click();
  await expect(policyPage.chunk).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(policyPage.startButton).toBeVisible();
  const saved = await expectTheSameInNode(policyPage, info, INSTRUCTION);
  expect(saved.backend.backend).toBe('webgpu');
});
