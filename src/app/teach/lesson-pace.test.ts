import { beforeEach, expect, test, vi } from 'vitest';
import type { PolicyInfo } from '../../workers/boundary/contract.ts';
import { usePracticeStore } from '../practice/practice-store.ts';
import { usePredictionStore } from '../prediction/prediction-store.ts';
import { keepPace, lessonSeconds, measureLesson } from './lesson-pace.ts';
import { useTeachStore } from './teach-store.ts';

const { demonstrate, stepTime, loaded } = vi.hoisted(() => ({
  demonstrate: vi.fn<() => Promise<object>>(),
  stepTime: vi.fn<(options: object, recorded: object) => Promise<number>>(),
  loaded: { package: { hash: 'a' }, backend: { backend: 'wasm', threads: 2 } } as unknown as PolicyInfo,
}));
vi.mock('../practice/practice-session.ts', () => ({
  practiceWorker: () => ({ demonstrate, rehearsal: async () => [{ episodes: 80 }, { episodes: 100 }] }),
  randomSeed: () => 1,
}));
vi.mock('../practice/practice-run.ts', () => ({ TRIALS: 20 }));
vi.mock('../policy/policy-session.ts', () => ({ policyWorker: () => ({ training: { stepTime } }) }));
vi.mock('../policy/policy-store.ts', () => ({ loadedPolicy: () => loaded }));

let now = 0;
let stored: Record<string, string> = {};
const length = () => useTeachStore.getState().length;

beforeEach(() => {
  stored = {};
  vi.stubGlobal('localStorage', {
    getItem: (key: string) => stored[key] ?? null,
    setItem: (key: string, value: string) => (stored[key] = value),
  });
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  useTeachStore.setState({ length: { kind: 'unknown' } });
  usePracticeStore.setState({ table: { maxSteps: 80, execute: 8 } as never });
  usePredictionStore.setState({ timings: [{ elapsedMs: 90 }, { elapsedMs: 50 }] as never });
  // Ten actions in half a second.
  demonstrate.mockReset().mockImplementation(async () => {
    now += 500;
    return { actionNames: ['x', 'y'], episodes: [{ actions: new Float32Array(20) }] };
  });
  stepTime.mockReset().mockResolvedValue(0.3);
});

test('a lesson’s time is what its parts took here: an episode, steps of training, predictions and physics of a trial', async () => {
  const measuring = measureLesson('can');
  expect(length()).toEqual({ kind: 'measuring' });
  await measuring;
  const trial = 80 * 0.05 + 10 * 0.05;
  expect(length()).toEqual({ kind: 'known', task: 'can', seconds: 200 * 0.5 + 1500 * 0.3 + 40 * trial });
  expect(stepTime.mock.calls[0]![0]).toMatchObject({ maxSteps: 1500, batchSize: 8, startFrom: null });
  // Once is enough.
  await measureLesson('can');
  expect(demonstrate).toHaveBeenCalledOnce();
});

test('the last lesson tells better, on the same machine', async () => {
  const pace = { episode: 1, step: 0.2, trial: 2 };
  keepPace(pace);
  await measureLesson('can');
  expect(demonstrate).not.toHaveBeenCalled();
  expect(length()).toMatchObject({ seconds: lessonSeconds(pace, 200, 1500, 20) });
  stored = Object.fromEntries(
    Object.entries(stored).map(([key, text]) => [key, text.replace('wasm', 'webgpu')]),
  );
  await measureLesson('behind');
  expect(demonstrate).toHaveBeenCalledOnce();
});

test('a number that is none is not kept, and what cannot be measured is not said', async () => {
  keepPace({ episode: 1, step: Number.NaN, trial: 1 });
  expect(stored).toEqual({});
  stepTime.mockRejectedValue({ code: 'busy', message: 'A run goes on.' });
  await measureLesson('can');
  expect(length()).toEqual({ kind: 'unknown' });
});
