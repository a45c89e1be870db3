import { expect, test } from 'vitest';
import { beforeEdit, editWord } from './edit-words.ts';

test('an edit is named by what it does', () => {
  expect(
    [
      { deleted: true },
      { deleted: false },
      { instruction: 'lift' },
      { keep: [1, 4] as const },
      { success: false },
      { success: true },
    ].map(editWord),
  ).toEqual(['deleted', 'restored', 'relabelled', 'trimmed', 'marked as a failure', 'marked as a success']);
});

test('its inverse brings back each changed value, also that there was none', () => {
  const change = { deleted: true, instruction: 'lift' };
  expect(beforeEdit({ instruction: 'push', success: false }, change)).toEqual({
    deleted: undefined,
    instruction: 'push',
  });
  const merged = { success: false, ...change, ...beforeEdit({ success: false }, change) };
  expect(merged).toEqual({ success: false });
});
