import { createTokenizer, type Tokenize } from '../../src/model/policy/tokenizer.ts';
import { llama2TokenizerJson } from '../convert/llama2-tokenizer.ts';

/** Llama-2's tokenizer, which every golden case was made with. */
export async function llama2Tokenize(): Promise<Tokenize> {
  return createTokenizer(await llama2TokenizerJson());
}
