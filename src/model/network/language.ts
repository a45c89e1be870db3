/** The language models there are. Each has a file that knows its config.json, tensors, mask, tokens and prompt. */
import { ModelError } from '../../base/errors.ts';
import { countBlocks, shapeOf, type Shapes } from './checkpoint-shapes.ts';
import { llama } from './llama.ts';
import { mistral } from './mistral.ts';
import { qwen2 } from './qwen2.ts';
import { checkTextConfig } from './text-config.ts';

export type LanguageKind = 'llama' | 'qwen2' | 'mistral';

export interface LanguageConfig {
  readonly kind: LanguageKind;
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  /** Rows of the embedding table, padding included. */
  readonly vocabulary: number;
  readonly rmsEps: number;
  readonly ropeTheta: number;
  readonly attention: 'bidirectional' | 'causal';
  /** A causal row sees this many columns before itself; null for all. */
  readonly slidingWindow: number | null;
  /** lm_head is the embedding table: the checkpoint has no tensor of its own for it. */
  readonly tiedEmbeddings: boolean;
}

/** Tokens around a prompt. */
export interface TokenPolicy {
  /** The first token of a prompt; null where the tokenizer adds none. */
  readonly bos: number | null;
  /** Appended to the prompt if missing; null where there is none. */
  readonly empty: number | null;
  /** The same in the texts upstream trains on, where that is another token. */
  readonly emptyInTraining?: number | undefined;
  /** Stands where actions go. */
  readonly placeholder: number;
  readonly stop: number;
  /** Vocabulary without padding rows; action tokens are its last ones. */
  readonly vocabulary: number;
}

export interface LanguageBackbone {
  readonly kind: LanguageKind;
  /** `text_config` of config.json, where the shapes do not tell; fields that are absent take transformers' defaults. */
  config(text: Readonly<Record<string, unknown>>): {
    readonly heads: number;
    readonly rmsEps: number;
    readonly ropeTheta: number;
    readonly slidingWindow: number | null;
    readonly tiedEmbeddings: boolean;
  };
  /** Projections with a bias in every layer. */
  readonly biases: readonly string[];
  /** What OpenVLA-OFT's code makes of it. */
  readonly attention: LanguageConfig['attention'];
  /** @param rows of the embedding table @param padding `pad_to_multiple_of` of config.json */
  tokens(rows: number, padding: number): TokenPolicy;
  /** The prompt of upstream's evaluation. */
  prompt(instruction: string): string;
}

const BACKBONES: Readonly<Record<LanguageKind, LanguageBackbone>> = { llama, qwen2, mistral };

export const backboneOf = (kind: LanguageKind): LanguageBackbone => BACKBONES[kind];

/**
 * @param text `text_config` of config.json
 * @throws ModelError `unsupported` for another model type, `missing-tensor` or `bad-shape`
 */
export function languageConfig(text: Readonly<Record<string, unknown>>, shapes: Shapes): LanguageConfig {
  const type = text['model_type'] ?? 'llama';
  if (typeof type !== 'string' || !Object.hasOwn(BACKBONES, type)) {
    throw new ModelError(
      'unsupported',
      `config.json: the language model is ${JSON.stringify(type)}; known are ${Object.keys(BACKBONES).join(', ')}.`,
      'Use a checkpoint with one of these.',
    );
  }
  const backbone = backboneOf(type as LanguageKind);
  const { heads, tiedEmbeddings, ...rest } = backbone.config(text);
  const [vocabulary, hidden] = shapeOf(shapes, 'language_model.model.embed_tokens.weight') as [
    number,
    number,
  ];
  if (!Number.isInteger(heads) || heads < 1 || hidden % heads !== 0) {
    throw new ModelError(
      'bad-shape',
      `text_config: hidden size ${hidden} does not divide into ${heads} heads.`,
    );
  }
  const headDim = hidden / heads;
  const kvWidth = shapeOf(shapes, 'language_model.model.layers.0.self_attn.k_proj.weight')[0]!;
  const kvHeads = kvWidth / headDim;
  if (!Number.isInteger(kvHeads) || heads % kvHeads !== 0) {
    throw new ModelError(
      'bad-shape',
      `The keys are ${kvWidth} wide: no whole number of heads of ${headDim} that divides ${heads}.`,
      'Check num_attention_heads in config.json.',
    );
  }
  const layers = countBlocks(shapes, 'language_model.model.layers');
  checkTextConfig(text, {
    vocab_size: vocabulary,
    hidden_size: hidden,
    num_hidden_layers: layers,
    num_key_value_heads: kvHeads,
    intermediate_size: shapeOf(shapes, 'language_model.model.layers.0.mlp.gate_proj.weight')[0]!,
  });
  for (let layer = 0; layer < layers; layer++) {
    for (const name of backbone.biases) shapeOf(shapes, `language_model.model.layers.${layer}.${name}.bias`);
  }
  return {
    kind: backbone.kind,
    hidden,
    layers,
    heads,
    kvHeads,
    vocabulary,
    ...rest,
    attention: backbone.attention,
    tiedEmbeddings: tiedEmbeddings && !shapes.has('language_model.lm_head.weight'),
  };
}
