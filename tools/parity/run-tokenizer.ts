/** Prompt tokens and action tokens of `cases.json`. */
import { decodeActionTokens, encodeActionTokens } from '../../src/model/heads/action-tokens.ts';
import { promptFor } from '../../src/model/policy/prompt.ts';
import { compare, type Row } from './compare.ts';
import { readJson, type CaseFiles } from './golden.ts';
import type { TokenizeFor } from './tokenize.ts';
import { EXACT } from './tolerances.ts';

interface TokenCases {
  /** Absent: Llama-2's. */
  tokenizer_class?: string;
  vocab_size?: number;
  texts: {
    text: string;
    ids: number[];
    /** What the text is a prompt of. */
    instruction?: string;
  }[];
  actions: { values: number[]; ids: number[]; decoded: number[] };
}

const BINS = 256;

export async function runTokenizer(files: CaseFiles, tokenizeFor: TokenizeFor): Promise<Row[]> {
  const {
    texts,
    actions,
    tokenizer_class: tokenizer,
    vocab_size: vocabulary = 32000,
  } = await readJson<TokenCases>(files, 'cases.json');
  const kind = tokenizer?.startsWith('Qwen2') ? 'qwen2' : 'llama';
  const tokenize = await tokenizeFor(kind);
  const rows = texts.map(({ text, ids, instruction }) => {
    const ours = tokenize(instruction === undefined ? text : promptFor(instruction, kind));
    const same = ours.length === ids.length && ours.every((id, i) => id === ids[i]);
    return compare(`tokens of ${JSON.stringify(text)}`, [same ? 0 : 1], [0], EXACT);
  });
  rows.push(
    compare('action tokens', encodeActionTokens(actions.values, vocabulary, BINS), actions.ids, EXACT),
    compare('decoded actions', decodeActionTokens(actions.ids, vocabulary, BINS), actions.decoded, {
      measure: 'absolute',
      limit: 1e-12,
    }),
  );
  return rows;
}
