import type { LanguageBackbone } from './language.ts';
import { numberIn, ropeTheta } from './text-config.ts';

/** Tokens of Qwen2.5's own vocabulary; its special tokens and padding rows come after. */
const QWEN_VOCABULARY = 151_643;

/** Qwen2.5: the language model of VLA-Adapter, and under OpenVLA-OFT's code. Stock and causal. */
export const qwen2: LanguageBackbone = {
  kind: 'qwen2',
  // Qwen2Config's defaults: theta is 1e4 unless it is written, as Qwen2.5's 1e6 is.
  config: (text) => ({
    heads: numberIn(text, 'num_attention_heads', 32),
    rmsEps: numberIn(text, 'rms_norm_eps', 1e-6),
    ropeTheta: ropeTheta(text, 10_000),
    slidingWindow: text['use_sliding_window'] === true ? numberIn(text, 'sliding_window', 4096) : null,
    tiedEmbeddings: text['tie_word_embeddings'] === true,
  }),
  biases: ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'],
  attention: 'causal',
  // OFT's code appends Llama's 29871 ("NING" here); VLA-Adapter's appends nothing.
  tokens: (rows, padding) => ({
    bos: null,
    empty: 29871,
    placeholder: 1,
    stop: 2,
    vocabulary: rows > QWEN_VOCABULARY ? QWEN_VOCABULARY : rows - padding,
  }),
  prompt: (instruction) =>
    '<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n' +
    `<|im_start|>user\nWhat action should the robot take to ${instruction.toLowerCase()}?<|im_end|>\n` +
    '<|im_start|>assistant\n',
};
