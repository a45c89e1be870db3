import { beforeEach, expect, test, vi } from 'vitest';
import type { DemonstrationsInfo } from '../../workers/boundary/contract-demonstrations.ts';
import type { FineTuneProgress } from '../../workers/boundary/contract-finetune.ts';
import { useCompareStore } from '../finetune/compare-store.ts';
import { useFineTuneStore } from '../finetune/finetune-store.ts';
import type { TrialResult } from '../practice/practice-store.ts';
import { useViewStore } from '../view-store.ts';
import { stopTeaching, teach } from './teach-session.ts';
import { useTeachStore } from './teach-store.ts';

const { recordExpert, startRun, compare, setOptions, stopComparing } = vi.hoisted(() => ({
  recordExpert: vi.fn<(request: object) => Promise<void>>(),
  startRun: vi.fn<() => Promise<void>>(),
  compare: vi.fn<(tasks: string[], adapter: string, options: object) => Promise<void>>(),
  setOptions: vi.fn<(change: object) => void>(),
  stopComparing: vi.fn<() => void>(),
}));
vi.mock('../demonstrations/expert-session.ts', () => ({ recordExpert }));
vi.mock('../finetune/compare-session.ts', () => ({ compare, stopComparing }));
vi.mock('../finetune/estimate-session.ts', () => ({ setOptions }));
vi.mock('../finetune/run-session.ts', () => ({ startRun, cancelRun: async () => undefined }));
vi.mock('../practice/practice-run.ts', () => ({ stopPractice: () => undefined, TRIALS: 20 }));
const { keepPace } = vi.hoisted(() => ({ keepPace: vi.fn<(pace: object) => void>() }));
vi.mock('./lesson-pace.ts', () => ({ keepPace }));
vi.mock('../url-state.ts', () => ({ readUrlState: () => ({ step: 'run', view: 'table' }) }));

const trials = (successes: number): TrialResult[] =>
  Array.from({ length: 20 }, (_, i) => ({ task: 'can', seed: i, success: i < successes, steps: 1 }));
const open = {
  problems: [],
  recorded: Array.from({ length: 200 }, () => ({})),
} as unknown as DemonstrationsInfo;
const phases: string[] = [];
useTeachStore.subscribe(({ phase }) => phases.push(phase.kind));

beforeEach(() => {
  phases.length = 0;
  useTeachStore.setState({ phase: { kind: 'idle' } });
  useViewStore.setState({ step: 'run', view: 'table' });
  useFineTuneStore.setState({ active: null, adapters: [], failure: null, progress: null });
  useCompareStore.setState({ comparisons: [], failure: null });
  phases.length = 0;
  recordExpert.mockReset().mockImplementation(async () => {
    useFineTuneStore.setState({ demonstrations: { kind: 'open', info: open } });
  });
  startRun.mockReset().mockImplementation(async () => {
    useFineTuneStore.setState({
      progress: { phase: 'done', samplesPerSecond: 16 } as FineTuneProgress,
      active: 'taught',
    });
  });
  compare.mockReset().mockImplementation(async (_, adapter) => {
    const before = { adapter: null, trials: trials(0) };
    const after = { adapter, trials: trials(19) };
    useCompareStore.setState({ comparisons: [{ task: 'can', heldOut: true, before, after }] });
  });
});

test('shows, trains and tries, in this order, with what is known mixed in', async () => {
  await teach('can', 'lift the can');
  expect(phases).toEqual(['showing', 'training', 'waiting', 'trying', 'done']);
  expect(recordExpert).toHaveBeenCalledExactlyOnceWith({
    tasks: ['can'],
    robot: 'gripper',
    episodes: 20,
    rehearse: true,
  });
  expect(compare).toHaveBeenCalledExactlyOnceWith(['can'], 'taught', { before: null });
  const { phase } = useTeachStore.getState();
  expect(phase.kind === 'done' && phase.after.filter(({ success }) => success)).toHaveLength(19);
  // How long it took is what the next one is announced by.
  expect(keepPace).toHaveBeenCalledExactlyOnceWith({
    episode: expect.any(Number),
    step: useFineTuneStore.getState().options.batchSize / 16,
    trial: expect.any(Number),
  });
});

test('trials wait until the table is on show', async () => {
  useViewStore.setState({ step: 'fine-tune' });
  const lesson = teach('can', 'lift the can');
  await vi.waitFor(() => expect(phases.at(-1)).toBe('waiting'));
  expect(compare).not.toHaveBeenCalled();
  useViewStore.setState({ step: 'run' });
  await lesson;
  expect(phases.at(-1)).toBe('done');
});

test('a step that fails is said, and nothing is done after it', async () => {
  const failure = { code: 'storage-full', message: 'There is no room.', hint: '' } as const;
  startRun.mockImplementation(async () => useFineTuneStore.setState({ failure }));
  await teach('can', 'lift the can');
  expect(useTeachStore.getState().phase).toEqual({ kind: 'failed', failure });
  expect(compare).not.toHaveBeenCalled();
  recordExpert.mockImplementation(async () =>
    useFineTuneStore.setState({ demonstrations: { kind: 'failed', failure } }),
  );
  await teach('can', 'lift the can');
  expect(startRun).toHaveBeenCalledOnce();
  expect(phases.at(-1)).toBe('failed');
});

test('it can be stopped at every step', async () => {
  recordExpert.mockImplementation(async () => stopTeaching());
  await teach('can', 'lift the can');
  expect(startRun).not.toHaveBeenCalled();
  expect(phases.at(-1)).toBe('stopped');
});
