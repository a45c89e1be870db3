/**
 * Llama-2's tokenizer as a Hugging Face tokenizer.json, for checkpoints that come without one (upstream takes it from
 * the Llama-2 repository, which cannot be fetched without an account). Vocabulary and merges: npm llama-tokenizer-js.
 */
import llamaTokenizer from 'llama-tokenizer-js';
import { sentencepieceTokenizerJson } from './sentencepiece-tokenizer.ts';

export async function llama2TokenizerJson(): Promise<object> {
  const { vocabById, merges } = llamaTokenizer as unknown as {
    vocabById: string[];
    merges: Map<string, number>;
  };
  return sentencepieceTokenizerJson(vocabById, merges);
}
