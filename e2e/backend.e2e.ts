import type { Page } from '@playwright/test';
import { expect, test } from './fixtures.ts';
import { expectTheSameInNode } from './node-prediction.ts';

/** A browser without WebGPU: the worker's script starts with its absence. */
async function withoutWebGpu(page: Page): Promise<void> {
  await page.route(/\/policy-worker[^/]*\.js$/, async (route) => {
    const response = await route.fetch();
    const absence = `Object.defineProperty(WorkerNavigator.prototype, 'gpu', { get: () => undefined });\n`;
    await route.fulfill({ response, body: absence + (await response.text()) });
  });
}

function choice(page: Page, name: RegExp) {
  return page.getByRole('group', { name: 'Run on' }).getByRole('radio', { name });
}

/** The radio itself is hidden under its label, which is what a visitor clicks. */
async function choose(page: Page, name: RegExp): Promise<void> {
  await page.getByRole('group', { name: 'Run on' }).locator('label', { hasText: name }).click();
  await expect(choice(page, name)).toBeChecked();
}

test('asking for WebGPU where there is none is told, and the CPU serves instead', async ({
  policyPage,
  page,
}) => {
  await withoutWebGpu(page);
  await policyPage.open('?backend=webgpu');
  await expect(policyPage.failure('no-webgpu')).toContainText('This browser has no WebGPU');
  await page.getByRole('button', { name: 'Run on the CPU' }).click();
  await expect(policyPage.loadButton).toBeEnabled();
  await expect(page).toHaveURL(/backend=wasm/);
});

test(
  'the backend can be chosen, is used, stays in the address, and a GPU that is lost in a run can be restarted',
  { tag: '@full' },
  async ({ policyPage, page, browser }, info) => {
    test.slow(); // WebGPU in software, loaded twice.
    await policyPage.open();
    await expect(choice(page, /Automatic/)).toBeChecked();
    await choose(page, /CPU/);
    await expect(page).toHaveURL(/[?&]backend=wasm$/);
    await expect(page.getByText(/Asked to run on the CPU/)).toBeVisible();
    await policyPage.loadButton.click();
    await policyPage.ready();
    await expect(policyPage.usedBackend).toHaveText('WASM');

    // Stored by now, so a change loads again by itself, and what was fed stays.
    await policyPage.useCameras();
    await policyPage.instruction.fill('open the drawer');
    await choose(page, /GPU/);
    await expect(policyPage.usedBackend).toHaveText('WebGPU', { timeout: 120_000 });
    await expect(page).toHaveURL(/backend=webgpu/);
    await policyPage.predictOnce();
    const onGpu = await expectTheSameInNode(policyPage, info, 'open the drawer');
    expect(onGpu.backend.backend).toBe('webgpu');
    await page.getByText('About this policy').click();
    await page.getByText('Diagnosis of the GPU').click();
    await expect(
      page.getByText(/^Checked against float64 in \d+ ms\. Right: .*attention-direct, .*chain, /),
    ).toBeVisible();

    await policyPage.startButton.click();
    await expect.poll(() => policyPage.shownChunk(), { timeout: 60_000 }).not.toEqual(onGpu.actions);
    const session = await browser.newBrowserCDPSession();
    await session.send('Browser.crashGpuProcess');
    await expect(policyPage.failure('device-lost')).toBeVisible();
    await page.getByRole('button', { name: 'Restart the worker' }).click();
    await policyPage.ready();
    await expect(policyPage.usedBackend).toHaveText('WebGPU');
    await expect(policyPage.instruction).toHaveValue('open the drawer');

    await choose(page, /Automatic/);
    await policyPage.ready();
    await expect(page).not.toHaveURL(/backend=/);
  },
);
