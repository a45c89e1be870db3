import { beforeEach, expect, test, vi } from 'vitest';
import type { PolicyInfo, Prediction } from '../../workers/boundary/contract.ts';
import type { RunNews } from '../../workers/boundary/contract-practice.ts';
import { useInstructionStore } from '../instruction/instruction-store.ts';
import { usePolicyStore } from '../policy/policy-store.ts';
import { hidePractice, runTrials, startPractice, tryTask, whyNotOnTable } from './practice-run.ts';
import { undoLast, useUndoStore } from '../undo/undo-store.ts';
import { usePredictionStore } from '../prediction/prediction-store.ts';
import { useViewStore } from '../view-store.ts';
import { chooseAgain, chooseTable, disturbTable, openTable } from './practice-session.ts';
import { usePracticeStore } from './practice-store.ts';

const { worker, failPolicy } = vi.hoisted(() => ({
  worker: {
    open: vi.fn<() => Promise<{ name: string; about: string; heldOut: boolean }[]>>(),
    limitSpeed: async () => undefined,
    chooseLoop: async () => undefined,
    linkPolicy: async () => undefined,
    reset: vi.fn<(task: string, seed: number, realTime?: boolean) => Promise<object>>(),
    instruct: async () => true,
    showPath: async () => undefined,
    run: vi.fn<(order: object, onNews: (news: RunNews) => void) => Promise<object>>(),
    halt: vi.fn<() => Promise<void>>(),
    disturb: async () => undefined,
    scene: vi.fn<() => Promise<object>>(async () => ({ task: 'plate', seed: 10 })),
    bringBack: vi.fn<(scene: object) => Promise<object>>(),
    setDark: async () => undefined,
    terminate: () => undefined,
  },
  failPolicy: vi.fn<() => void>(),
}));
vi.mock('../../workers/boundary/client.ts', () => ({ connectPracticeWorker: () => worker }));
vi.mock('../policy/policy-session.ts', () => ({
  policyWorker: () => ({ serve: async () => undefined }),
  failPolicy,
}));
vi.mock('../url-state.ts', () => ({
  readUrlState: () => ({ table: null }),
  wrongTable: () => 'The address asks for a robot “franka”.',
  writeUrlState: () => undefined,
}));

const info = { imageSlots: [], actions: [], state: null } as unknown as PolicyInfo;

const laid = (task: string, seed: number) => ({
  task,
  seed,
  robot: 'gripper',
  profile: { controlHz: 10 },
  instruction: `do it on ${seed}`,
  maxSteps: 8,
  execute: 8,
  suggestions: [],
});

const predicted = (steps: number): RunNews => ({
  kind: 'predicted',
  prediction: { actions: [[0]], seen: [], stages: [], elapsedMs: 1 } as unknown as Prediction,
  instruction: 'do it',
  state: [],
  images: [],
  steps,
});

beforeEach(async () => {
  vi.stubGlobal('window', {
    devicePixelRatio: 1,
    matchMedia: () => ({ matches: false, addEventListener: () => undefined }),
  });
  vi.stubGlobal('document', { createElement: () => ({ transferControlToOffscreen: () => ({}) }) });
  usePolicyStore.setState({ status: { kind: 'ready', info, report: {} as never } });
  worker.open.mockResolvedValue([{ name: 'plate', about: '', heldOut: false }]);
  worker.reset.mockReset().mockImplementation(async (task, seed) => laid(task, seed));
  worker.halt.mockReset().mockResolvedValue(undefined);
  worker.run.mockReset().mockImplementation(async (_, onNews) => {
    onNews({ kind: 'asked' });
    onNews(predicted(3));
    return { achieved: true, steps: 3 };
  });
  await openTable({ width: 1, height: 1 });
});

test('an address that asks for what there is not is told, on a table that can be used', async () => {
  expect(usePracticeStore.getState()).toMatchObject({
    table: { task: 'plate' },
    failure: { message: 'The address asks for a robot “franka”.' },
  });
  await chooseAgain('new');
  expect(usePracticeStore.getState().failure).toBeNull();
});

test('trials stand still between actions, each on the table that was laid for it', async () => {
  expect(await runTrials('plate', 10, { episodes: 2 })).toBe(true);
  expect(worker.reset.mock.calls.slice(-2)).toEqual([
    ['plate', 10, false, undefined],
    ['plate', 11, false, undefined],
  ]);
  expect(usePracticeStore.getState().trials.map(({ seed, success }) => [seed, success])).toEqual([
    [10, true],
    [11, true],
  ]);
});

test('trials asked for while another task is being laid are of that task', async () => {
  let lay!: () => void;
  worker.reset.mockImplementationOnce(
    (task, seed) => new Promise((resolve) => (lay = () => resolve(laid(task, seed)))),
  );
  const chosen = chooseTable('reach', 5);
  const trials = tryTask(10);
  const order = vi.waitFor(() => lay());
  await Promise.all([order, chosen, trials]);
  const { trials: done } = usePracticeStore.getState();
  expect(new Set(done.map(({ task }) => task))).toEqual(new Set(['reach']));
  expect(worker.reset.mock.calls[0]).toEqual(['reach', 5, true, undefined]);
});

test('a table that cannot be laid is not tried, and the trials before it stay', async () => {
  worker.reset.mockImplementation(async (task, seed) => {
    if (seed === 11) throw { code: 'out-of-memory', message: 'There is no memory left.', hint: '' };
    return laid(task, seed);
  });
  usePolicyStore.setState({ status: { kind: 'inspecting' } });
  expect(await runTrials('plate', 10, { episodes: 3 })).toBe(false);
  usePolicyStore.setState({ status: { kind: 'ready', info, report: {} as never } });
  worker.run.mockClear();
  expect(await runTrials('plate', 10, { episodes: 3 })).toBe(false);
  expect(worker.run).toHaveBeenCalledOnce();
  expect(usePracticeStore.getState().trials.map(({ seed }) => seed)).toEqual([10]);
  expect(usePracticeStore.getState().run.kind).toBe('idle');
});

test('a prediction that gives way to another policy is not a failure', async () => {
  worker.run.mockRejectedValue({ code: 'cancelled', message: 'The prediction was cancelled.', hint: '' });
  expect(await runTrials('plate', 10, { episodes: 1 })).toBe(false);
  expect(usePracticeStore.getState().failure).toBeNull();
});

const named = (...names: string[]) => names.map((name) => ({ name, unit: '' }));

test('another arm of as many joints is not set to work on the table', () => {
  const table = {
    adapted: false,
    controlHz: 10,
    robot: 'practice table',
    imageSlots: [{}, {}],
    actions: named('x', 'y', 'z', 'roll', 'pitch', 'yaw', 'gripper'),
    state: named('1', '2', '3', '4', '5', '6', '7', '8'),
  } as unknown as PolicyInfo;
  usePolicyStore.setState({ status: { kind: 'ready', info: table, report: {} as never } });
  expect(whyNotOnTable(table)).toBeNull();
  // With a head of its own, but for the same directions.
  expect(whyNotOnTable({ ...table, adapted: true })).toBeNull();
  // At another rate each of its actions is another distance.
  usePracticeStore.setState({ table: laid('lift', 1) as never });
  expect(whyNotOnTable({ ...table, adapted: true, robot: 'v21', controlHz: 20 })).toContain(
    '20 actions per second',
  );
  const actions = named('joint 1', 'joint 2', 'joint 3', 'joint 4', 'joint 5', 'joint 6', 'joint 7');
  expect(whyNotOnTable({ ...table, adapted: true, robot: 'franka', actions })).toContain('is for franka');
});

const latest = () => usePredictionStore.getState().latest;

test('at an SO-101 only a policy of its joints is set to work, and what to do is said', () => {
  const dims = named('shoulder_pan.pos', 'gripper.pos');
  const profile = { name: 'SO-101', controlHz: 30, actions: dims, state: dims, images: [{ name: 'main' }] };
  usePracticeStore.setState({ table: { ...laid('lift', 1), robot: 'so101', profile } as never });
  const own = { robot: 'SO-101', actions: dims, state: dims, imageSlots: [{}] } as unknown as PolicyInfo;
  expect(whyNotOnTable(own)).toBeNull();
  const others = named('x', 'gripper.pos');
  expect(whyNotOnTable({ ...own, robot: 'table', actions: others })).toMatch(
    /another robot \(table\); an SO-101 .* teach/,
  );
  expect(whyNotOnTable({ ...own, imageSlots: [] })).not.toBeNull();
});

test('a prediction of the table before goes with it, and so does one of things that were moved', async () => {
  useViewStore.setState({ view: 'table' });
  for (const change of [() => chooseAgain('same'), () => chooseAgain('new'), disturbTable]) {
    await runTrials('plate', 10, { episodes: 1 });
    expect(latest()).not.toBeNull();
    await change();
    expect(latest()).toBeNull();
  }
  // Under the cameras it is theirs, and the table has nothing to do with it.
  await runTrials('plate', 10, { episodes: 1 });
  useViewStore.setState({ view: 'camera' });
  await chooseAgain('same');
  expect(latest()).not.toBeNull();
});

test('what a button did to the table is taken back, with the words that were there', async () => {
  const { setText } = useInstructionStore.getState();
  await runTrials('plate', 10, { episodes: 1 });
  setText('wave at the audience');
  await chooseAgain('new');
  expect(useInstructionStore.getState().text).toMatch(/^do it on/);
  worker.bringBack.mockResolvedValue({ ...laid('plate', 10), tasks: [] });
  expect(useUndoStore.getState().said?.text).toBe('New layout.');
  await undoLast('run');
  expect(worker.bringBack).toHaveBeenLastCalledWith({ task: 'plate', seed: 10 });
  expect(useInstructionStore.getState().text).toBe('wave at the audience');
  expect(usePracticeStore.getState().table).toMatchObject({ task: 'plate', seed: 10 });
  // From a table that failed nothing leads back; it is laid anew all the same.
  worker.scene.mockRejectedValueOnce({ code: 'diverged', message: 'It became unstable.' });
  const { changes } = useUndoStore.getState();
  await chooseAgain('same');
  expect(useUndoStore.getState().changes).toBe(changes);
});

test('what runs by the clock stops when its tab is hidden, and the page says so; trials go on', async () => {
  let end!: (report: object) => void;
  worker.run.mockImplementation(() => new Promise((resolve) => (end = resolve)));
  useInstructionStore.getState().setText('lift the red block');
  const running = startPractice();
  await vi.waitFor(() => expect(worker.run).toHaveBeenCalledOnce());
  hidePractice();
  expect(worker.halt).toHaveBeenCalledOnce();
  end({ achieved: false, steps: 2 });
  await running;
  expect(usePracticeStore.getState().outcome).toEqual({ kind: 'hidden' });
  const trials = runTrials('plate', 10, { episodes: 1 });
  await vi.waitFor(() => expect(worker.run).toHaveBeenCalledTimes(2));
  hidePractice();
  expect(worker.halt).toHaveBeenCalledOnce();
  end({ achieved: true, steps: 2 });
  expect(await trials).toBe(true);
});

test('why the robot stands still is known while it does', async () => {
  const held: (string | null)[] = [];
  worker.run.mockImplementation(async (_, onNews) => {
    for (const why of ['no-action', null, 'late'] as const) {
      onNews({ kind: 'hold', why });
      held.push(usePracticeStore.getState().held);
    }
    return { achieved: false, steps: 0 };
  });
  await startPractice();
  expect(held).toEqual(['no-action', null, 'late']);
  expect(usePracticeStore.getState().held).toBeNull();
});
