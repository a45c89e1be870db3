import { beforeEach, expect, test, vi } from 'vitest';
import type { DemonstrationsInfo, EpisodeEdits } from '../../workers/boundary/contract-demonstrations.ts';
import { changeEpisode } from './episode-session.ts';
import { editEpisode } from './open-demonstrations.ts';
import { useFineTuneStore } from '../finetune/finetune-store.ts';
import { lastChange, undoLast, useUndoStore } from '../undo/undo-store.ts';

const { demonstrations, training } = vi.hoisted(() => ({
  demonstrations: {
    edit: vi.fn<(changes: object) => Promise<object>>(),
    review: async () => [],
  },
  training: { estimate: vi.fn<() => Promise<object>>() },
}));
vi.mock('../policy/policy-session.ts', () => ({
  policyWorker: () => ({ demonstrations, training }),
  failPolicy: () => undefined,
}));

const info = {
  name: 'made up',
  recorded: [{ index: 0 }, { index: 1 }],
  episodes: [],
  problems: [],
} as unknown as DemonstrationsInfo;
let stored: Record<string, string> = {};

beforeEach(() => {
  stored = {};
  vi.stubGlobal('localStorage', { setItem: (key: string, value: string) => (stored[key] = value) });
  useFineTuneStore.setState({
    demonstrations: { kind: 'open', info },
    origin: 'dataset',
    edits: {},
    failure: null,
  });
  training.estimate.mockReset().mockResolvedValue({});
  // As the worker does it: one after the other, each on what the one before it left.
  let edits: EpisodeEdits = {};
  demonstrations.edit.mockReset().mockImplementation(async (changes) => {
    for (const [index, change] of Object.entries(changes as EpisodeEdits))
      edits = { ...edits, [index]: { ...edits[Number(index)], ...change } };
    const now = edits;
    await new Promise((resolve) => setTimeout(resolve, 1));
    return { ...info, edits: now };
  });
});

test('two quick edits are both kept, shown and remembered', async () => {
  await Promise.all([
    editEpisode(0, { deleted: true }),
    editEpisode(1, { success: false }),
    editEpisode(0, { instruction: 'wave' }),
  ]);
  const both = { 0: { deleted: true, instruction: 'wave' }, 1: { success: false } };
  expect(useFineTuneStore.getState().edits).toEqual(both);
  expect(Object.values(stored).map((text) => JSON.parse(text) as unknown)).toEqual([both]);
});

test('an edit counts where there is no room to keep it, and that is said', async () => {
  vi.stubGlobal('localStorage', {
    setItem: () => {
      throw new DOMException('full', 'QuotaExceededError');
    },
  });
  expect(await editEpisode(0, { deleted: true })).toBe(true);
  const { edits, failure } = useFineTuneStore.getState();
  expect(edits).toEqual({ 0: { deleted: true } });
  expect(failure?.code).toBe('storage-full');
});

test('an edit that is refused is said, and nothing is changed', async () => {
  await editEpisode(0, { deleted: true });
  demonstrations.edit.mockRejectedValueOnce({
    code: 'busy',
    message: 'The run "a" is using the policy.',
    hint: '',
  });
  await editEpisode(0, { deleted: false });
  expect(useFineTuneStore.getState()).toMatchObject({
    edits: { 0: { deleted: true } },
    failure: { code: 'busy' },
    demonstrations: { kind: 'open' },
  });
});

test('what is shown as changed can be taken back at once, however long the estimate takes', async () => {
  training.estimate.mockReturnValue(new Promise(() => undefined));
  await changeEpisode(0, { instruction: 'wave' });
  await changeEpisode(0, { deleted: true });
  expect(lastChange(useUndoStore.getState(), 'demonstrations')?.said).toBe('Episode 1 deleted.');
  await undoLast('demonstrations');
  expect(useUndoStore.getState().said?.text).toBe('Undone: Episode 1 deleted.');
  expect(useFineTuneStore.getState().edits).toEqual({ 0: { instruction: 'wave' } });
});
