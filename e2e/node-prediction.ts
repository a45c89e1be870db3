/** The chunk that the page shows, against what Node predicts for the frames it was made of. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { TestInfo } from '@playwright/test';
import type { SavedPrediction } from '../src/app/prediction/saved-prediction.ts';
import { expect } from './fixtures.ts';
import type { PolicyPage } from './policy-page.ts';
import { TINY_FOLDER } from './site.ts';

/** The page and Node run different builds of onnxruntime; upstream's chunk is met to 3e-4 by each. */
const TOLERANCE = 1e-3;

type Chunks = Pick<SavedPrediction, 'actions' | 'normalized'>;

async function predictInNode(savedPath: string, folder: string, resultPath: string): Promise<Chunks> {
  await promisify(execFile)(process.execPath, [
    'tools/node/run.mjs',
    'e2e/predict-in-node.ts',
    savedPath,
    folder,
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

/**
 * Saves the prediction on show, predicts it again in Node, and compares.
 * @param folder of the policy's package
 * @returns what was saved
 */
export async function expectTheSameInNode(
  policyPage: PolicyPage,
  info: TestInfo,
  instruction: string,
  folder: string = TINY_FOLDER,
): Promise<SavedPrediction> {
  const shown = await policyPage.shownChunk();
  const { saved, path } = await policyPage.save();
  expect(shown).toEqual(saved.actions);
  expect(saved.instruction).toBe(instruction);
  expect(saved.prompt).toContain(instruction);
  const node = await predictInNode(path, folder, info.outputPath('node.json'));
  const difference = largestDifference(saved.actions, node.actions);
  info.annotations.push({ type: 'largest difference', description: difference.toExponential(2) });
  expect(difference).toBeLessThanOrEqual(TOLERANCE);
  expect(largestDifference(saved.normalized, node.normalized)).toBeLessThanOrEqual(TOLERANCE);
  // Not all zero, and not the same at every step: the comparison has something to compare.
  expect(new Set(saved.actions.flat()).size).toBeGreaterThan(saved.actions.length);
  return saved;
}
