/** Prompt tokens and action tokens of `cases.json`. */
import { decodeActionTokens, encodeActionTokens } from '../../src/model/policy/action-tokenizer.ts';
import type { Tokenize } from '../../src/model/policy/tokenizer.ts';
import { compare, type Row } from './compare.ts';
import { readJson, type CaseFiles } from './golden.ts';
import { EXACT } from './tolerances.ts';

interface TokenCases {
  texts: { text: string; ids: number[] }[];
  actions: { values: number[]; ids: number[]; decoded: number[] };
}

const VOCABULARY = 32000;
const BINS = 256;

export async function runTokenizer(files: CaseFiles, tokenize: Tokenize): Promise<Row[]> {
  const { texts, actions } = await readJson<TokenCases>(files, 'cases.json');
  const rows = texts.map(({ text, ids }) => {
    const ours = tokenize(text);
    const same = ours.length === ids.length && ours.every((id, i) => id === ids[i]);
    return compare(`tokens of ${JSON.stringify(text)}`, [same ? 0 : 1], [0], EXACT);
  });
  rows.push(
    compare('action tokens', encodeActionTokens(actions.values, VOCABULARY, BINS), actions.ids, EXACT),
    compare('decoded actions', decodeActionTokens(actions.ids, VOCABULARY, BINS), actions.decoded, {
      measure: 'absolute',
      limit: 1e-12,
    }),
  );
  return rows;
}
