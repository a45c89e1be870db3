import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { TableReport } from '../../workers/boundary/contract-practice.ts';
import type { RawImage } from '../../workers/boundary/contract.ts';
import { tableSeen } from '../camera/seen-frames.ts';
import { startEyesLoop } from './eyes-loop.ts';
import { usePracticeStore } from './practice-store.ts';

const { unfit, glance } = vi.hoisted(() => ({
  unfit: { why: null as string | null },
  glance: vi.fn<(since: number) => Promise<{ revision: number; images: object[] } | null>>(),
}));
vi.mock('../policy/policy-store.ts', () => ({ currentPolicy: () => ({ package: { hash: 'a' } }) }));
vi.mock('../policy/policy-session.ts', () => ({
  failPolicy: vi.fn<() => void>(),
  policyWorker: () => ({ preview: async (images: object[]) => images }),
}));
vi.mock('../view-store.ts', () => ({ useViewStore: { getState: () => ({ view: 'table', step: 'run' }) } }));
vi.mock('./practice-run.ts', () => ({ whyNotOnTable: () => unfit.why }));
vi.mock('./practice-session.ts', () => ({ practiceWorker: () => ({ glance }) }));

const table = (task: string) => ({ task }) as unknown as TableReport;
const picture = (of: string) => ({ of }) as unknown as RawImage;
const onShow = () => tableSeen.get(0);
let end: () => void;
/** What lies there, and how often it has changed. */
let lies = { of: 'plate', revision: 1 };

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('document', { hidden: false });
  vi.stubGlobal('window', { setTimeout });
  unfit.why = null;
  lies = { of: 'plate', revision: 1 };
  glance
    .mockReset()
    .mockImplementation(async (since) =>
      since === lies.revision ? null : { revision: lies.revision, images: [picture(lies.of)] },
    );
  usePracticeStore.setState({
    status: { kind: 'open', tasks: [] },
    run: { kind: 'idle' },
    table: table('plate'),
  });
  end = startEyesLoop();
});
afterEach(() => {
  end();
  tableSeen.clearAll();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('a table that is laid for a trial is shown before its first prediction, which shows the rest', async () => {
  await vi.advanceTimersByTimeAsync(500);
  expect(onShow()).toEqual(picture('plate'));
  lies = { of: 'reach', revision: 2 };
  usePracticeStore.setState({ run: { kind: 'trials', done: 0, total: 20 }, table: table('reach') });
  await vi.advanceTimersByTimeAsync(500);
  expect(onShow()).toEqual(picture('reach'));
  glance.mockClear();
  tableSeen.set(0, picture('predicted from'));
  await vi.advanceTimersByTimeAsync(1000);
  expect(onShow()).toEqual(picture('predicted from'));
  expect(glance).not.toHaveBeenCalled();
});

test('a glance that a prediction overtakes is not shown', async () => {
  let answer!: (found: { revision: number; images: object[] }) => void;
  glance.mockReturnValueOnce(new Promise((resolve) => (answer = resolve)));
  usePracticeStore.setState({ run: { kind: 'running', by: 'visitor', steps: 0 }, table: table('lift') });
  await vi.advanceTimersByTimeAsync(500);
  tableSeen.set(0, picture('predicted from'));
  answer({ revision: 1, images: [picture('older')] });
  await vi.advanceTimersByTimeAsync(500);
  expect(onShow()).toEqual(picture('predicted from'));
});

test('a replay, which predicts nothing, is watched', async () => {
  usePracticeStore.setState({ run: { kind: 'replaying' } });
  await vi.advanceTimersByTimeAsync(500);
  lies = { of: 'moved', revision: 2 };
  await vi.advanceTimersByTimeAsync(500);
  expect(onShow()).toEqual(picture('moved'));
});

test('a policy that cannot work on the table shows no pictures of it, rather than those of before', async () => {
  await vi.advanceTimersByTimeAsync(500);
  unfit.why = 'It is for another robot.';
  lies = { of: 'push', revision: 2 };
  usePracticeStore.setState({ table: table('push') });
  await vi.advanceTimersByTimeAsync(500);
  expect(onShow()).toBeNull();
});
