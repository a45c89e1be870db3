import { expect, test } from 'vitest';
import { failureTitle, needsRestart, toFailure } from './failure.ts';

test('an error of the worker keeps its code, message and hint', () => {
  const error = Object.assign(new Error('shard-1.bin is damaged'), { code: 'hash-mismatch', hint: 'Again.' });
  expect(toFailure(error)).toEqual({
    code: 'hash-mismatch',
    message: 'shard-1.bin is damaged',
    hint: 'Again.',
  });
});

test('anything else becomes "unknown" with its own text', () => {
  expect(toFailure(new TypeError('x is undefined'))).toMatchObject({
    code: 'unknown',
    message: 'x is undefined',
  });
  expect(toFailure('plain')).toMatchObject({ code: 'unknown', message: 'plain' });
  expect(toFailure({ code: 'toString', message: 'inherited' })).toMatchObject({ code: 'unknown' });
  expect(failureTitle(toFailure(null).code)).toBe('Something unexpected went wrong');
});

test('only a dead worker or a lost device needs a new worker', () => {
  expect(needsRestart('worker-crashed')).toBe(true);
  expect(needsRestart('device-lost')).toBe(true);
  expect(needsRestart('hash-mismatch')).toBe(false);
});
