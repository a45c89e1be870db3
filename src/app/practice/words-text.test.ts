import { expect, test } from 'vitest';
import { hintFor } from './words-text.ts';

const nearest = 'lift the red block';

test('unknown words are named, the first three of them, with what to try instead', () => {
  const said = (words: string[]) =>
    hintFor({ understanding: { kind: 'unknown-words', words, nearest }, judged: false, adapter: null });
  expect(said(['banana'])).toEqual({ said: 'I don’t know “banana”.', nearest });
  expect(said(['a', 'b', 'c']).said).toBe('I don’t know “a”, “b” or “c”.');
  expect(said(['a', 'b', 'c', 'd']).said).toBe('I don’t know “a”, “b”, “c” or 1 more word.');
  expect(said(['x'.repeat(300)]).said.length).toBeLessThan(60);
});

test('what an adapter may have learnt is not denied', () => {
  const understanding = { kind: 'unknown-words', words: ['can'], nearest } as const;
  expect(hintFor({ understanding, judged: true, adapter: 'my can' }).said).toBe(
    'The original policy doesn’t know “can”; “my can” may.',
  );
});

const of = (understanding: Parameters<typeof hintFor>[0]['understanding'], judged = false) =>
  hintFor({ understanding, judged, adapter: null });

test('what is not on the table, and tasks that nobody can judge, are told apart', () => {
  expect(of({ kind: 'not-there', objects: ['mug'], nearest }).said).toBe('There is no mug on the table.');
  expect(of({ kind: 'unknown-instruction', nearest }).said).toMatch(/^I know these words, but not this task/);
  // Another policy's vocabulary is not known here.
  expect(of(null)).toEqual({
    said: 'I don’t know this task, so I can’t tell when it’s finished. Press Stop any time.',
    nearest: '',
  });
  expect(of({ kind: 'known' }, true)).toEqual({ said: '', nearest: '' });
});
