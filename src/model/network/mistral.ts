import type { LanguageBackbone } from './language.ts';
import { inOutPrompt } from './llama.ts';
import { numberIn, ropeTheta } from './text-config.ts';

/** Mistral-7B under OpenVLA-OFT's code: stock and causal, as the fork changes LLaMA only. */
export const mistral: LanguageBackbone = {
  kind: 'mistral',
  // MistralConfig's defaults. A sliding window of null is written, and means none.
  config: (text) => ({
    heads: numberIn(text, 'num_attention_heads', 32),
    rmsEps: numberIn(text, 'rms_norm_eps', 1e-6),
    ropeTheta: ropeTheta(text, 10_000),
    slidingWindow: text['sliding_window'] === null ? null : numberIn(text, 'sliding_window', 4096),
    tiedEmbeddings: text['tie_word_embeddings'] === true,
  }),
  biases: [],
  attention: 'causal',
  // OFT's code appends Llama's 29871, a Thai letter here, while the texts it trains on hold Mistral's `▁`.
  tokens: (rows, padding) => ({
    bos: 1,
    empty: 29871,
    emptyInTraining: 28705,
    placeholder: 1,
    stop: 2,
    vocabulary: rows - padding,
  }),
  prompt: inOutPrompt,
};
