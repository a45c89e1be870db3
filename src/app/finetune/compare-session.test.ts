import { expect, test, vi } from 'vitest';
import type { TrialResult } from '../practice/practice-store.ts';
import { usePracticeStore } from '../practice/practice-store.ts';
import { useCompareStore } from './compare-store.ts';
import { compare } from './compare-session.ts';
import { useFineTuneStore } from './finetune-store.ts';

const { chooseAdapter, runTrials, unfit } = vi.hoisted(() => ({
  unfit: { why: null as string | null },
  chooseAdapter: vi.fn<(id: string | null) => Promise<void>>(),
  runTrials:
    vi.fn<
      (task: string, seed: number, options: { onTrial: (trials: TrialResult[]) => void }) => Promise<boolean>
    >(),
}));
vi.mock('./adapter-session.ts', () => ({ chooseAdapter }));
vi.mock('../practice/practice-run.ts', () => ({
  practiceIdle: async () => undefined,
  runTrials,
  stopPractice: () => undefined,
  TRIALS: 20,
  whyNotOnTable: () => unfit.why,
}));
vi.mock('../policy/policy-store.ts', () => ({ loadedPolicy: () => ({}) }));

const trial: TrialResult = { task: 'can', seed: 1, success: true, steps: 3 };

function prepare(): void {
  usePracticeStore.setState({ status: { kind: 'open', tasks: [] } });
  useFineTuneStore.setState({ active: 'mine', failure: null });
  chooseAdapter.mockReset().mockImplementation(async (id) => useFineTuneStore.setState({ active: id }));
  runTrials.mockReset().mockImplementation(async (_task, _seed, { onTrial }) => {
    onTrial([trial]);
    return true;
  });
}

test('each side is tried with its own adapter, and what was in use is in use again', async () => {
  prepare();
  const used: (string | null)[] = [];
  runTrials.mockImplementation(async (_task, _seed, { onTrial }) => {
    used.push(useFineTuneStore.getState().active);
    onTrial([trial]);
    return true;
  });
  await compare(['can'], 'taught');
  expect(used).toEqual([null, 'taught']);
  expect(useFineTuneStore.getState().active).toBe('mine');
  expect(useCompareStore.getState().comparisons).toMatchObject([
    { before: { trials: [trial] }, after: { trials: [trial] } },
  ]);
});

test('a robot that the original policy does not know is tried after its lesson only', async () => {
  prepare();
  unfit.why = 'The active model is for another robot.';
  await compare(['lift'], 'taught');
  unfit.why = null;
  expect(chooseAdapter.mock.calls).toEqual([['taught'], ['mine']]);
  expect(useCompareStore.getState().comparisons).toEqual([
    {
      task: 'lift',
      heldOut: false,
      before: { adapter: null, trials: [], otherRobot: true },
      after: { adapter: 'taught', trials: [trial] },
    },
  ]);
});

test('an adapter that could not be laid over the policy is not tried under its name', async () => {
  prepare();
  const failure = { code: 'out-of-memory', message: 'There is no memory left.', hint: '' } as const;
  chooseAdapter.mockImplementation(async (id) => {
    if (id === 'taught') useFineTuneStore.setState({ failure });
    else useFineTuneStore.setState({ active: id });
  });
  await compare(['can', 'plate'], 'taught');
  expect(runTrials).toHaveBeenCalledOnce();
  expect(useCompareStore.getState()).toMatchObject({ running: false, failure });
});

test('trials that were not completed end the comparison', async () => {
  prepare();
  runTrials.mockResolvedValue(false);
  await compare(['can', 'plate'], 'taught');
  expect(runTrials).toHaveBeenCalledOnce();
});
