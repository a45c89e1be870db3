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

test('where a kernel of ours is wrong on a GPU, onnxruntime computes, and the page names the kernel', async ({
  policyPage,
  page,
}) => {
  test.slow(); // WebGPU in software.
  await page.route(/\/policy-worker[^/]*\.js$/, async (route) => {
    const response = await route.fetch();
    const script = await response.text();
    const broken = script.replace('a * c - b * s', 'a * c + b * s');
    expect(broken).not.toBe(script);
    await route.fulfill({ response, body: broken });
  });
  await policyPage.openAndLoad('?backend=webgpu');
  await expect(page.getByText('This GPU computes wrong results with rope, so onnxruntime')).toBeVisible();
  await page.getByText('About this policy', { exact: true }).click();
  await page.getByText('Diagnosis of the GPU').click();
  await expect(page.getByText(/^Refused: rope, checked with "rotary embedding": gave \S+ at /)).toBeVisible();
});
