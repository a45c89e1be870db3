import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodeActionTokens, encodeActionTokens } from '../../src/model/heads/action-tokens.ts';
import type { PolicyConfig } from '../../src/model/policy/config.ts';
import { promptFor } from '../../src/model/policy/prompt.ts';
import { ROBOT_PROFILES } from '../../src/model/policy/robot-profiles.ts';
import { actionRows, layoutSequence } from '../../src/model/policy/sequence.ts';

interface TokenCases {
  actions: { values: number[]; ids: number[]; decoded: number[] };
}
const cases = JSON.parse(readFileSync('tests/golden/tokenizer/cases.json', 'utf8')) as TokenCases;

const config = {
  head: 'l1',
  profile: { ...ROBOT_PROFILES['libero']!, chunkSize: 2 },
  tokens: { bos: 1, empty: 29871, placeholder: 1, stop: 2, vocabulary: 32000 },
  network: { language: { vocabulary: 32064 } },
} as unknown as PolicyConfig;

describe('action tokens', () => {
  it('equal upstream’s ActionTokenizer', () => {
    expect(encodeActionTokens(cases.actions.values, 32000, 256)).toEqual(cases.actions.ids);
    const decoded = decodeActionTokens(cases.actions.ids, 32000, 256);
    decoded.forEach((value, i) => expect(value).toBeCloseTo(cases.actions.decoded[i]!, 12));
  });

  it('decode to bin centres and clip ids outside the action range', () => {
    const [lowest, highest, outside] = decodeActionTokens([31999, 31745, 5], 32000, 256);
    expect(lowest).toBeCloseTo(-1 + 1 / 255, 12);
    expect(highest).toBeCloseTo(1 - 1 / 255, 12);
    expect(outside).toBe(highest);
  });
});

describe('sequence', () => {
  it('appends the empty token once, then placeholders and the stop token', () => {
    const plain = layoutSequence([1, 512, 29901], config);
    expect(plain.inputIds.slice(0, 5)).toEqual([1, 512, 29901, 29871, 1]);
    expect(plain.inputIds.at(-1)).toBe(2);
    expect(plain.inputIds.length).toBe(4 + 14 + 1);
    expect(layoutSequence([1, 512, 29901, 29871], config)).toEqual(plain);
  });

  it('reads the action rows one position early', () => {
    expect(actionRows(layoutSequence([1, 512, 29901], config), 33)).toEqual({ start: 36, end: 50 });
  });

  it('refuses a prompt that is longer than any instruction', () => {
    expect(() => layoutSequence([1, ...Array.from({ length: 600 }, () => 5)], config)).toThrow(
      /601 tokens; at most 512/,
    );
  });

  it('refuses tokens the policy does not know, and a prompt without BOS', () => {
    expect(() => layoutSequence([1, 40_000], config)).toThrow(/token 40000/);
    expect(() => layoutSequence([512], config)).toThrow(/BOS/);
  });
});

it('the prompt is upstream’s, lower-cased', () => {
  expect(promptFor('Put the RED mug')).toBe(
    'In: What action should the robot take to put the red mug?\nOut:',
  );
});
