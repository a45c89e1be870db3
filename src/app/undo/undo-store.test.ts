import { beforeEach, expect, test } from 'vitest';
import {
  canUndo,
  forgetChanges,
  guardUndo,
  lastChange,
  putAway,
  undoLast,
  useUndoStore,
} from './undo-store.ts';

const said = () => useUndoStore.getState().said?.text ?? null;
const undone: string[] = [];
const change = (name: string, about: Parameters<typeof canUndo>[0]['about'] = 'demonstrations') =>
  canUndo({ said: `${name} deleted.`, about, undo: async () => undone.push(name) });

beforeEach(() => {
  useUndoStore.setState({ changes: [], said: null, undoing: false, failure: null });
  guardUndo(() => null);
  undone.length = 0;
});

test('changes are taken back one by one, the newest first', async () => {
  change('Episode 1');
  change('Episode 2');
  expect(said()).toBe('Episode 2 deleted.');
  await undoLast('demonstrations');
  expect(said()).toBe('Undone: Episode 2 deleted.');
  await undoLast('demonstrations');
  await undoLast('demonstrations');
  expect(undone).toEqual(['Episode 2', 'Episode 1']);
});

test('nothing is taken back that is not on show', async () => {
  change('Episode 1');
  change('An adapter', 'adapters');
  await undoLast('demonstrations');
  expect(undone).toEqual(['Episode 1']);
  expect(lastChange(useUndoStore.getState(), 'models')?.said).toBe('An adapter deleted.');
  await undoLast('models');
  expect(undone).toEqual(['Episode 1', 'An adapter']);
});

test('where it cannot be taken back now, or at all, that is said', async () => {
  change('Episode 1');
  guardUndo(() => 'A run is training.');
  await undoLast('demonstrations');
  expect(undone).toEqual([]);
  expect(said()).toBe('A run is training. Undo when that has ended.');
  guardUndo(() => null);
  await undoLast('demonstrations');
  expect(undone).toEqual(['Episode 1']);
  canUndo({ said: 'Trimmed.', about: 'table', undo: () => Promise.reject(new Error('It is gone.')) });
  await undoLast('demonstrations');
  expect(said()).toBe('Not undone: Trimmed.');
  expect(useUndoStore.getState().failure?.message).toBe('It is gone.');
});

test('two at once are one', async () => {
  change('Episode 1');
  change('Episode 2');
  await Promise.all([undoLast('demonstrations'), undoLast('demonstrations')]);
  expect(undone).toEqual(['Episode 2']);
});

test('what was closed is forgotten, what was put away can still be taken back', async () => {
  change('Episode 1');
  change('Table', 'table');
  forgetChanges('demonstrations');
  putAway();
  expect(said()).toBeNull();
  await undoLast('demonstrations');
  await undoLast('demonstrations');
  expect(undone).toEqual(['Table']);
});
