import { beforeEach, expect, test, vi } from 'vitest';
import { useRecorderStore } from './recorder-store.ts';
import { finishEpisode, recordingKey, startTableRecording } from './table-session.ts';

const { worker, stop } = vi.hoisted(() => ({
  worker: {
    takeOver: vi.fn<() => Promise<void>>(),
    handBack: vi.fn<(keep: boolean) => Promise<object | null>>(),
    steer: async () => undefined,
  },
  stop: vi.fn<() => void>(),
}));
const added = vi.hoisted(() => vi.fn<() => Promise<boolean>>());
vi.mock('../practice/practice-session.ts', () => ({
  practiceWorker: () => worker,
  relayTable: async () => undefined,
  randomSeed: () => 1,
}));
vi.mock('../practice/practice-run.ts', () => ({ stopPractice: () => undefined }));
vi.mock('./steer.ts', () => ({ startSteering: () => ({ stop }) }));
vi.mock('./recorded-set.ts', () => ({ addRecordings: added }));

const kind = () => useRecorderStore.getState().status.kind;

beforeEach(() => {
  worker.takeOver.mockReset().mockResolvedValue(undefined);
  worker.handBack.mockReset().mockResolvedValue({ episodes: [] });
  added.mockReset().mockResolvedValue(false);
  stop.mockReset();
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
  expect(worker.handBack.mock.calls).toEqual([[true], [false]]);
});
