import { beforeEach, expect, test, vi } from 'vitest';
import { useInstructionStore } from '../instruction/instruction-store.ts';
import { undoLast, useUndoStore } from '../undo/undo-store.ts';
import { useRecorderStore } from './recorder-store.ts';
import { finishEpisode, recordingKey, startTableRecording } from './table-session.ts';

const { worker, stop } = vi.hoisted(() => ({
  worker: {
    takeOver: vi.fn<() => Promise<void>>(),
    handBack: vi.fn<(keep: boolean) => Promise<object | null>>(),
    steer: vi.fn<(action: number[]) => Promise<void>>(),
  },
  stop: vi.fn<() => void>(),
}));
const pressed = vi.hoisted((): { tell: (action: number[]) => void } => ({ tell: () => undefined }));
const relayed = vi.hoisted(() => vi.fn<(change: string) => Promise<void>>());
const added = vi.hoisted(() => vi.fn<(...args: unknown[]) => Promise<boolean>>());
vi.mock('../practice/practice-session.ts', () => ({
  practiceWorker: () => worker,
  relayTable: relayed,
  faceTable: async () => undefined,
  tableAzimuth: () => 0,
  randomSeed: () => 1,
}));
vi.mock('../practice/practice-run.ts', () => ({
  practiceIdle: async () => undefined,
  stopPractice: () => undefined,
}));
vi.mock('./steer.ts', async (original) => ({
  ...(await original()),
  startSteering: (tell: typeof pressed.tell) => {
    pressed.tell = tell;
    return { stop };
  },
}));
vi.mock('./recorded-set.ts', () => ({ addRecordings: added }));

const kind = () => useRecorderStore.getState().status.kind;

beforeEach(() => {
  worker.takeOver.mockReset().mockResolvedValue(undefined);
  worker.steer.mockReset().mockResolvedValue(undefined);
  worker.handBack.mockReset().mockResolvedValue({ episodes: [] });
  added.mockReset().mockResolvedValue(false);
  stop.mockReset();
  relayed.mockReset().mockImplementation(async () => useInstructionStore.getState().setText('of the layout'));
});

test('Esc while an episode is being saved keeps the episode and ends the recording', async () => {
  await startTableRecording();
  let saved!: () => void;
  added.mockImplementation(() => new Promise((resolve) => (saved = () => resolve(false))));
  const finishing = finishEpisode();
  await vi.waitFor(() => expect(added).toHaveBeenCalledOnce());
  recordingKey('Escape', false);
  // The gripper is let go at once; nothing new can begin before the episode is safe.
  expect(stop).toHaveBeenCalledOnce();
  expect(kind()).toBe('saving');
  saved();
  await finishing;
  expect(kind()).toBe('idle');
  expect(worker.takeOver).toHaveBeenCalledOnce();
  expect(worker.handBack.mock.calls).toEqual([[true]]);
});

test('Esc while somebody records throws the attempt away; without it the next one begins', async () => {
  await startTableRecording();
  await finishEpisode();
  expect(kind()).toBe('recording');
  expect(worker.takeOver).toHaveBeenCalledTimes(2);
  recordingKey('Backspace', true);
  expect(kind()).toBe('recording');
  recordingKey('Escape', false);
  expect(kind()).toBe('idle');
  expect(worker.handBack.mock.calls).toEqual([[true], [true]]);
  // What nobody finished is not kept, unless that is taken back.
  expect(added).toHaveBeenCalledOnce();
  await vi.waitFor(() => expect(useUndoStore.getState().changes).toHaveLength(1));
  await undoLast('demonstrations');
  expect(added).toHaveBeenLastCalledWith('table', {}, [], { success: false });
});

test('recording starts on the layout as it was laid, with the visitor’s own words', async () => {
  useInstructionStore.getState().setText('wave');
  await startTableRecording();
  expect(relayed).toHaveBeenCalledExactlyOnceWith('same');
  expect(relayed.mock.invocationCallOrder[0]).toBeLessThan(worker.takeOver.mock.invocationCallOrder[0]!);
  expect(useInstructionStore.getState().text).toBe('wave');
});

test('an arrow key moves along the axes of the picture, from wherever it is looked at', async () => {
  const { alongTable } = await import('./steer.ts');
  const right = [0, 1, 0, 0, 0, 0, 1];
  expect(alongTable(right, 0)).toEqual(right);
  // From the other side right is left.
  expect(alongTable(right, Math.PI).slice(0, 2)).toEqual([-0, -1]);
  expect(alongTable([-1, 0, 0.5, 0, 0, 0.2, 0], Math.PI / 2)).toEqual([-0, -1, 0.5, 0, 0, 0.2, 0]);
});

test('a key that is pressed before the worker has taken over counts as soon as it has', async () => {
  let taken!: () => void;
  worker.takeOver.mockReturnValue(new Promise((resolve) => (taken = resolve)));
  const starting = startTableRecording();
  await vi.waitFor(() => expect(worker.takeOver).toHaveBeenCalledOnce());
  expect(kind()).toBe('recording');
  const forward = [-1, 0, 0, 0, 0, 0, 1];
  pressed.tell([0, 0, 0, 0, 0, 0, 1]);
  pressed.tell(forward);
  expect(worker.steer).not.toHaveBeenCalled();
  taken();
  await starting;
  expect(worker.steer).toHaveBeenCalledExactlyOnceWith(forward);
});
