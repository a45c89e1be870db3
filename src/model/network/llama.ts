import type { LanguageBackbone } from './language.ts';
import { numberIn, ropeTheta } from './text-config.ts';

/** Llama-2: OpenVLA's and OpenVLA-OFT's language model. Stock Llama is causal; OFT's fork of transformers drops the mask. */
export const llama: LanguageBackbone = {
  kind: 'llama',
  // LlamaConfig's defaults: rms_norm_eps is 1e-6, which Llama-2's own 1e-5 is not written over in Prismatic's checkpoints.
  config: (text) => ({
    heads: numberIn(text, 'num_attention_heads', 32),
    rmsEps: numberIn(text, 'rms_norm_eps', 1e-6),
    ropeTheta: ropeTheta(text, 10_000),
    slidingWindow: null,
    tiedEmbeddings: text['tie_word_embeddings'] === true,
  }),
  biases: [],
  attention: 'bidirectional',
  // 29871 is `▁`.
  tokens: (rows, padding) => ({ bos: 1, empty: 29871, placeholder: 1, stop: 2, vocabulary: rows - padding }),
  prompt: inOutPrompt,
};

/** The prompt of openvla_utils.get_vla_action, for LLaMA and Mistral. */
export function inOutPrompt(instruction: string): string {
  return `In: What action should the robot take to ${instruction.toLowerCase()}?\nOut:`;
}
