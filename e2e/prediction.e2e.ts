import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { SavedPrediction } from '../src/app/prediction/saved-prediction.ts';
import { expect, test } from './fixtures.ts';
import { TINY_FOLDER } from './site.ts';

/** The page and Node run different builds of onnxruntime; upstream's chunk is met to 3e-4 by each. */
const TOLERANCE = 1e-3;

type Chunks = Pick<SavedPrediction, 'actions' | 'normalized'>;

async function predictInNode(savedPath: string, resultPath: string): Promise<Chunks> {
  await promisify(execFile)(process.execPath, [
    'tools/node/run.mjs',
    'e2e/predict-in-node.ts',
    savedPath,
    TINY_FOLDER,
    resultPath,
  ]);
  return JSON.parse(await readFile(resultPath, 'utf8')) as Chunks;
}

function largestDifference(ours: number[][], theirs: number[][]): number {
  expect(ours.length).toBe(theirs.length);
  return Math.max(
    ...ours.flatMap((row, step) => {
      expect(row.length).toBe(theirs[step]!.length);
      return row.map((value, dimension) => Math.abs(value - theirs[step]![dimension]!));
    }),
  );
}

/** `auto` comes to WASM where the only adapter is software. */
const cases = (['auto', 'webgpu'] as const).flatMap((backend) =>
  (['predict once', 'streaming'] as const).map((mode) => ({ backend, mode })),
);

for (const { backend, mode } of cases) {
  test(`the chunk shown (${mode}, ${backend}) is what Node predicts for the same frames`, async ({
    policyPage,
    page,
  }, info) => {
    if (backend === 'webgpu') test.slow(); // In software it is slow.
    await policyPage.openAndLoad(backend === 'auto' ? '' : `?backend=${backend}`);
    if (backend === 'webgpu') await expect(policyPage.usedBackend).toHaveText('WebGPU');
    await policyPage.useCameras();
    await page.getByRole('button', { name: 'put the carrot in the basket' }).click();
    if (mode === 'predict once') {
      await policyPage.predictOnce();
    } else {
      await policyPage.startButton.click();
      await expect(policyPage.table).toBeVisible();
      await page.keyboard.press('Escape');
      await expect(policyPage.startButton).toBeVisible();
    }

    const shown = await policyPage.shownChunk();
    const { saved, path } = await policyPage.save();
    expect(shown).toEqual(saved.actions);
    expect(saved.instruction).toBe('put the carrot in the basket');
    expect(saved.prompt).toContain('put the carrot in the basket');

    if (backend === 'webgpu') expect(saved.backend.backend).toBe('webgpu');

    const node = await predictInNode(path, info.outputPath('node.json'));
    const difference = largestDifference(saved.actions, node.actions);
    info.annotations.push({ type: 'largest difference', description: difference.toExponential(2) });
    expect(difference).toBeLessThanOrEqual(TOLERANCE);
    expect(largestDifference(saved.normalized, node.normalized)).toBeLessThanOrEqual(TOLERANCE);
    // Not all zero, and not the same at every step: the comparison has something to compare.
    expect(new Set(saved.actions.flat()).size).toBeGreaterThan(saved.actions.length);
  });
}
