import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { useCameraStore } from './camera-store.ts';
import type { FrameSource } from './frame-source.ts';
import { startPreviewLoop } from './preview-loop.ts';

const { sources, preview, seen } = vi.hoisted(() => ({
  sources: new Map<number, FrameSource>(),
  preview: vi.fn<(frames: readonly unknown[]) => Promise<object[]>>(),
  seen: vi.fn<(index: number, image: object) => void>(),
}));
vi.mock('./slots.ts', () => ({ slotSource: (index: number) => sources.get(index) }));
vi.mock('./seen-frames.ts', () => ({ cameraSeen: { set: seen } }));
vi.mock('../policy/policy-store.ts', () => ({ currentPolicy: () => ({}) }));
vi.mock('../policy/policy-session.ts', () => ({
  failPolicy: vi.fn<() => void>(),
  policyWorker: () => ({ preview }),
}));
vi.mock('../prediction/run-store.ts', () => ({
  useRunStore: { getState: () => ({ status: { kind: 'idle' } }) },
}));

const still = () => ({ frameId: () => 0, bitmap: async () => ({}) }) as unknown as FrameSource;
let end: () => void;

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('document', { hidden: false });
  vi.stubGlobal('window', { setTimeout });
  sources.clear();
  preview.mockReset();
  seen.mockReset();
  useCameraStore.setState({ slots: [{ kind: 'empty' }, { kind: 'empty' }], previewFailure: null } as never);
});
afterEach(() => {
  end();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('a second image that is fed while the first alone is refused is shown all the same', async () => {
  let refuse!: (error: Error) => void;
  preview.mockReturnValueOnce(new Promise((_, reject) => (refuse = reject)));
  preview.mockResolvedValue([{}, {}]);
  sources.set(0, still());
  end = startPreviewLoop();
  await vi.waitFor(() => expect(preview).toHaveBeenCalledOnce());
  sources.set(1, still());
  refuse(new Error('Needs 2 images, but got 1.'));
  await vi.advanceTimersByTimeAsync(500);
  expect(useCameraStore.getState().previewFailure).toBeNull();
  expect(seen.mock.calls.map(([index]) => index)).toEqual([0, 1]);
});

test('what stays refused is told, and not asked again until a slot is fed anew', async () => {
  preview.mockRejectedValue(new Error('Needs 2 images, but got 1.'));
  sources.set(0, still());
  end = startPreviewLoop();
  await vi.advanceTimersByTimeAsync(2000);
  expect(useCameraStore.getState().previewFailure).toMatchObject({ message: 'Needs 2 images, but got 1.' });
  expect(preview).toHaveBeenCalledOnce();
});
