import { expect, test, vi } from 'vitest';
import type { DemonstrationsInfo } from '../../workers/contract-finetune.ts';
import { openDemonstrations } from './finetune-session.ts';
import { useFineTuneStore } from './finetune-store.ts';

type Progress = (done: number, total: number) => void;
const { open } = vi.hoisted(() => ({
  open: vi.fn<(source: object, progress: Progress) => Promise<object>>(),
}));
vi.mock('../policy/policy-session.ts', () => ({
  policyWorker: () => ({ demonstrations: { open } }),
  failPolicy: () => undefined,
}));

test('progress that arrives after the demonstrations are open does not close them again', async () => {
  const info = {
    name: 'two',
    episodes: [],
    recorded: [],
    problems: [],
    robot: { choice: null, startFrom: null },
    edits: {},
  } as unknown as DemonstrationsInfo;
  let late!: Progress;
  open.mockImplementation(async (_source, progress) => {
    progress(1, 2);
    late = progress;
    return info;
  });
  await openDemonstrations({ kind: 'url', url: 'x' }, { origin: 'expert', edits: {} }).catch(() => undefined);
  late(2, 2);
  expect(useFineTuneStore.getState().demonstrations).toEqual({ kind: 'open', info });
});
