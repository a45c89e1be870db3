import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Observation, PolicyInfo, Prediction } from '../../workers/boundary/contract.ts';
import { useCameraStore } from '../camera/camera-store.ts';
import type { FrameSource } from '../camera/frame-source.ts';
import { useInstructionStore } from '../instruction/instruction-store.ts';
import { usePolicyStore } from '../policy/policy-store.ts';
import { useStateStore } from '../state/state-store.ts';
import { predictOnce, startRun, stopRun } from './predict-loop.ts';
import { usePredictionStore } from './prediction-store.ts';
import { useRunStore } from './run-store.ts';

const { sources, predict } = vi.hoisted(() => ({
  sources: { current: null as FrameSource[] | null },
  predict: vi.fn<(observation: Observation) => Promise<Prediction>>(),
}));
vi.mock('../policy/policy-session.ts', () => ({
  policyWorker: () => ({ predict }),
  failPolicy: vi.fn<() => void>(),
}));
vi.mock('../camera/slots.ts', () => ({
  allSources: () => sources.current,
  rawFrames: (from: FrameSource[]) => from.map((source) => source.raw()),
}));

/** The number of the camera's newest frame; frames carry it, so that a test sees which one was used. */
let newest = 0;

function bitmap(frame: number) {
  return { frame, width: 1, height: 1, close: () => undefined };
}

const camera = {
  frameId: () => newest,
  bitmap: () => Promise.resolve(bitmap(newest)),
  raw: () => ({ width: 1, height: 1, data: new Uint8ClampedArray([newest, 0, 0, 255]) }),
} as unknown as FrameSource;

const info = { head: 'l1', imageSlots: [{ name: 'a', label: 'A' }], state: null } as unknown as PolicyInfo;

function prediction(): Prediction {
  const stages = [{ name: 'vision', elapsedMs: 1 }];
  const text = { unnormKey: 'key', prompt: '', promptTokens: 1 };
  return { actions: [[1]], normalized: [[1]], seen: [], stages, elapsedMs: 1, ...text };
}

beforeEach(() => {
  newest = 1;
  sources.current = [camera];
  vi.stubGlobal('document', { hidden: false });
  vi.stubGlobal('requestAnimationFrame', (done: () => void) => setTimeout(done, 1));
  vi.stubGlobal('createImageBitmap', (from: { frame: number }) => Promise.resolve(bitmap(from.frame)));
  usePolicyStore.setState({ status: { kind: 'ready', info, report: {} as never } });
  useInstructionStore.getState().setText('open the drawer');
  useStateStore.setState({ values: [], unnormKey: 'libero' });
  useRunStore.setState({ status: { kind: 'idle' }, failure: null });
  useCameraStore.setState({ slots: [] });
  usePredictionStore.getState().clear();
});
afterEach(() => {
  vi.unstubAllGlobals();
  predict.mockReset();
});

test('a run takes the newest frame, one prediction at a time, and none twice', async () => {
  const used: number[] = [];
  let inFlight = 0;
  let most = 0;
  predict.mockImplementation(async ({ images }) => {
    most = Math.max(most, ++inFlight);
    used.push((images[0] as unknown as { frame: number }).frame);
    // Several frames arrive during a prediction; only the last of them is wanted.
    if (newest < 10) newest += 3;
    await new Promise((resolve) => setTimeout(resolve, 3));
    inFlight--;
    return prediction();
  });
  const run = startRun();
  await vi.waitFor(() => expect(used).toEqual([1, 4, 7, 10]));
  await new Promise((resolve) => setTimeout(resolve, 20));
  stopRun();
  await run;
  expect(used).toEqual([1, 4, 7, 10]);
  expect(most).toBe(1);
  expect(useRunStore.getState()).toMatchObject({ status: { kind: 'idle' }, failure: null });
  expect(usePredictionStore.getState().timings.map(({ startsRun }) => startsRun)).toEqual([
    true,
    false,
    false,
    false,
  ]);
});

test('a failing prediction ends the run and is kept to be shown', async () => {
  predict.mockRejectedValue(Object.assign(new Error('too small'), { code: 'bad-input', hint: 'larger' }));
  await startRun();
  expect(useRunStore.getState()).toMatchObject({
    status: { kind: 'idle' },
    failure: { code: 'bad-input', message: 'too small' },
  });
});

test('a camera that goes away ends the run with the reason of its slot', async () => {
  const failure = { code: 'camera-ended', message: 'unplugged', hint: '' } as const;
  predict.mockImplementation(() => {
    sources.current = null;
    useCameraStore.setState({ slots: [{ kind: 'failed', failure }] });
    return Promise.resolve(prediction());
  });
  await startRun();
  expect(useRunStore.getState().failure).toEqual(failure);
});

test('nothing is predicted without an instruction or with a half-typed state', async () => {
  useInstructionStore.getState().setText('  ');
  await predictOnce();
  usePolicyStore.setState({
    status: { kind: 'ready', info: { ...info, state: [{ name: 'x', unit: 'm' }] }, report: {} as never },
  });
  useInstructionStore.getState().setText('open');
  useStateStore.setState({ values: ['-'] });
  await predictOnce();
  expect(predict).not.toHaveBeenCalled();
  useStateStore.setState({ values: ['-0.5'] });
  predict.mockResolvedValue(prediction());
  await predictOnce();
  expect(predict.mock.calls[0]?.[0]).toMatchObject({ state: [-0.5], instruction: 'open' });
});

test('a prediction whose inputs went while it was made is not shown, and one that is shown goes with them', async () => {
  let arrive!: () => void;
  predict.mockImplementation(() => new Promise((resolve) => (arrive = () => resolve(prediction()))));
  const { outdate, settle } = usePredictionStore.getState();
  const late = predictOnce();
  await vi.waitFor(() => expect(predict).toHaveBeenCalledOnce());
  outdate();
  arrive();
  await late;
  expect(usePredictionStore.getState().latest).toBeNull();

  const inTime = predictOnce();
  await vi.waitFor(() => expect(predict).toHaveBeenCalledTimes(2));
  arrive();
  await inTime;
  settle();
  expect(usePredictionStore.getState().latest).not.toBeNull();
  outdate();
  settle();
  expect(usePredictionStore.getState().latest).toBeNull();
});
