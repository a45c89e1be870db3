import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DuplicateKeyError, parseStrictJson, parseStrictJsonInTurns } from '../../src/model/strict-json.ts';

describe('JSON of a stranger', () => {
  it.each([
    ['{"a":1,"a":2}', '"a"'],
    ['{"a":1,"\\u0061":2}', '"a"'],
    ['[{"x":{"b":[],"b":{}}}]', '"b"'],
    ['{"__proto__":1, "__proto__" : 2}', '"__proto__"'],
    ['{"\\"":1,"\\\\":2,"\\"":3}', '"\\""'],
    ['{"":0,"":0}', '""'],
  ])('%s names a key twice and is refused', async (text, key) => {
    expect(() => parseStrictJson(text)).toThrow(DuplicateKeyError);
    expect(() => parseStrictJson(text)).toThrow(key);
    await expect(parseStrictJsonInTurns(text)).rejects.toThrow(DuplicateKeyError);
  });

  it.each(['', '{"a"', '{"a":1,}', '[1e999', '{a:1}'])('%j is refused as JSON.parse does', (text) => {
    expect(() => parseStrictJson(text)).toThrow(SyntaxError);
    expect(() => parseStrictJson(text)).not.toThrow(DuplicateKeyError);
  });

  it('is read as JSON.parse reads it, whatever it holds', async () => {
    await fc.assert(
      fc.asyncProperty(fc.json(), async (text) => {
        expect(parseStrictJson(text)).toEqual(JSON.parse(text));
        expect(await parseStrictJsonInTurns(text)).toEqual(JSON.parse(text));
      }),
      { numRuns: 300, seed: 1 },
    );
  });

  it('may have the same key in different objects, and text that looks like keys', () => {
    for (const text of ['{"a":{"a":[{"a":1},{"a":"a"}]}}', '["a","a"]', '{"a":"\\"a\\":{\\"a\\":"}'])
      expect(parseStrictJson(text)).toEqual(JSON.parse(text));
  });
});
