import { expect, test, vi } from 'vitest';
import type { StoredPackage } from '../../workers/boundary/contract.ts';
import { checkModel, useModelsStore } from './models-session.ts';

type Progress = (done: number, total: number) => void;
const { check } = vi.hoisted(() => ({
  check: vi.fn<(key: string, onProgress: Progress) => Promise<string[]>>(),
}));
vi.mock('../policy/policy-session.ts', () => ({ policyWorker: () => ({ packages: { check } }) }));

test('progress that arrives after a check does not hide what it found', async () => {
  let late!: Progress;
  check.mockImplementation(async (_key, progress) => {
    progress(1, 2);
    late = progress;
    return [];
  });
  await checkModel({ key: 'k' } as StoredPackage);
  late(2, 2);
  expect(useModelsStore.getState().checks['k']).toBe('Every file is as its manifest says.');
});
