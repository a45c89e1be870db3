import { expect, it } from 'vitest';
import { createTokenizer } from '../../src/model/policy/tokenizer.ts';
import { loadJson } from '../setup/fixture.ts';

/** The shipped policy's tokenizer.json as the tokenizers library (Rust, 0.19.1) encodes with it. */
it.each([
  [
    'in: what action should the robot take to lift the red block?',
    [1, 156, 42, 264, 98, 220, 235, 213, 233, 249, 169, 235, 209, 114, 44],
  ],
  ['a.?', [1, 4, 40, 44]],
  ['plate, please.?', [1, 198, 41, 199, 40, 44]],
  ['Put it (there)!?', [1, 206, 159, 49, 238, 50, 45, 44]],
  ["don't", [1, 7, 65, 64, 46, 23]],
  ['x--y', [1, 27, 48, 48, 28]],
  ['a_b', [1, 4, 0, 5]],
  ['a+b$c', [1, 4, 0, 5, 0, 6]],
  ['“a”…b', [1, 0, 4, 0, 0, 5]],
  ['¿a?', [1, 0, 4, 44]],
  ['naïve 3×', [1, 0, 33, 0]],
] as const)('%j has the tokens of the real library', async (text, ids) => {
  const tokenize = await createTokenizer(await loadJson('public/models/default/tokenizer.json'));
  expect(tokenize(text)).toEqual(ids);
});
