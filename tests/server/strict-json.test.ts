import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DuplicateKeyError,
  JsonLimitError,
  parseStrictJson,
  parseStrictJsonInTurns,
} from '../../src/base/strict-json.ts';

const LIMITS = { depth: 50, keys: 50 };
const refused = async (text: string): Promise<unknown> =>
  parseStrictJsonInTurns(text, { depth: 3, keys: 2 }).catch((error: unknown) => error);

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
    await expect(parseStrictJsonInTurns(text, LIMITS)).rejects.toThrow(DuplicateKeyError);
  });

  it.each(['', '{"a"', '{"a":1,}', '[1e999', '{a:1}'])('%j is refused as JSON.parse does', (text) => {
    expect(() => parseStrictJson(text)).toThrow(SyntaxError);
    expect(() => parseStrictJson(text)).not.toThrow(DuplicateKeyError);
  });

  it('is read as JSON.parse reads it, whatever it holds', async () => {
    await fc.assert(
      fc.asyncProperty(fc.json(), async (text) => {
        expect(parseStrictJson(text)).toEqual(JSON.parse(text));
        expect(await parseStrictJsonInTurns(text, LIMITS)).toEqual(JSON.parse(text));
      }),
      { numRuns: 300, seed: 1 },
    );
  });

  it('may have the same key in different objects, and text that looks like keys', () => {
    for (const text of ['{"a":{"a":[{"a":1},{"a":"a"}]}}', '["a","a"]', '{"a":"\\"a\\":{\\"a\\":"}'])
      expect(parseStrictJson(text)).toEqual(JSON.parse(text));
  });

  it('is refused beyond its limits, before it is parsed, and where it is not JSON at all', async () => {
    expect(await refused('[[[1]],{"a":1,"b":2}]')).toEqual([[[1]], { a: 1, b: 2 }]);
    expect(await refused('[[[[1]]]]')).toBeInstanceOf(JsonLimitError);
    expect(await refused('[[[[')).toBeInstanceOf(JsonLimitError);
    expect(await refused('{"a":1,"b":2,"c":3}')).toBeInstanceOf(JsonLimitError);
    for (const text of ['"a', '{"a\\', ']]]]', '{"a":}', '{"\\u12":1}']) {
      const error = await refused(text);
      expect(error).toBeInstanceOf(SyntaxError);
      expect(error).not.toBeInstanceOf(JsonLimitError);
    }
  });
});
