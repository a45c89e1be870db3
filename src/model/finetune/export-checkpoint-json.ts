/** The JSON and text files of an exported folder. */
import type { LanguageConfig, VitConfig } from '../network/config.ts';
import type { LanguageKind } from '../network/language.ts';
import type { WeightSource } from '../network/loaded-weights.ts';
import { timmNameOf, vitBackboneOf } from '../network/vit-registry.ts';
import type { PolicyConfig } from '../policy/config.ts';
import { isByteLevel } from '../policy/tokenizer.ts';
import type { TrainedState } from './trained.ts';

type Json = Record<string, unknown>;

/** What upstream calls a language model (prismatic/models/backbones/llm), and what its text_config has besides. */
const LANGUAGE_MODELS: Readonly<
  Record<LanguageKind, { hf: string; id: string; text: (language: LanguageConfig) => Json }>
> = {
  llama: { hf: 'meta-llama/Llama-2-7b-hf', id: 'llama2-7b-pure', text: () => ({}) },
  qwen2: {
    hf: 'Qwen/Qwen2.5-0.5B',
    id: 'qwen25-0_5b-extra',
    text: ({ tiedEmbeddings }) => ({ tie_word_embeddings: tiedEmbeddings, use_sliding_window: false }),
  },
  mistral: {
    hf: 'mistralai/Mistral-7B-v0.1',
    id: 'mistral-v0.1-7b-pure',
    // Absent it would mean 4096.
    text: ({ slidingWindow }) => ({ sliding_window: slidingWindow }),
  },
};

/** True where every backbone is one that timm knows by name. */
export const knownBackbones = (config: PolicyConfig): boolean =>
  config.network.vits.every((vit) => timmNameOf(vit) !== null);

/**
 * Upstream's config.json (prismatic/extern/hf/configuration_prismatic.py) as it follows from the policy's configuration. Backbones that timm does
 * not know are described by `oracle_tiny_vits`, which this library reads.
 */
export function upstreamConfigJson(
  config: PolicyConfig,
  source: WeightSource,
  dtype: 'float32' | 'bfloat16',
): Json {
  const { vits, language } = config.network;
  const ids = vits.map((vit, i) => timmNameOf(vit) ?? `unregistered_vit_${i}`);
  const fused = vits.length > 1;
  const upstream = LANGUAGE_MODELS[language.kind];
  const padding = language.vocabulary - config.tokens.vocabulary;
  return {
    architectures: ['OpenVLAForActionPrediction'],
    arch_specifier: fused ? 'no-align+fused-gelu-mlp' : 'no-align+gelu-mlp',
    hf_llm_id: upstream.hf,
    image_resize_strategy: config.preprocessor['image_resize_strategy'] ?? 'resize-naive',
    image_sizes: vits.map(({ imageSize }) => imageSize),
    llm_backbone_id: upstream.id,
    llm_max_length: 2048,
    model_type: 'openvla',
    n_action_bins: config.actionBins,
    norm_stats: config.statistics,
    output_projector_states: false,
    // Qwen's own special tokens come between its vocabulary and the padding.
    pad_to_multiple_of: language.kind === 'qwen2' ? Math.min(64, padding) : padding,
    pad_token_id: config.tokens.vocabulary,
    text_config: {
      model_type: language.kind,
      hidden_size: language.hidden,
      intermediate_size: source.shapeOf('language_model.model.layers.0.mlp.gate_proj.weight')[0],
      num_attention_heads: language.heads,
      num_hidden_layers: language.layers,
      num_key_value_heads: language.kvHeads,
      pad_token_id: config.tokens.vocabulary,
      rms_norm_eps: language.rmsEps,
      rope_theta: language.ropeTheta,
      ...upstream.text(language),
      torch_dtype: dtype,
      vocab_size: language.vocabulary,
    },
    timm_model_ids: ids,
    timm_override_act_layers: vits.map(({ quickGelu }) => (quickGelu ? 'quick_gelu' : null)),
    torch_dtype: dtype,
    transformers_version: '4.40.1',
    use_fused_vision_backbone: fused,
    vision_backbone_id: fused ? fusedId(vits[1]!) : singleId(vits[0]!),
    ...(knownBackbones(config)
      ? {}
      : {
          oracle_tiny_vits: vits.map((vit) => ({
            embed_dim: vit.dim,
            depth: vit.depth,
            num_heads: vit.heads,
            img_size: vit.imageSize,
            patch_size: vit.patchSize,
            class_token: vit.classToken,
            num_reg_tokens: vit.registerTokens,
            layer_scale: vit.layerScale,
            norm_eps: vit.eps,
          })),
        }),
  };
}

/** Prismatic's name of DINOv2 with this tower beside it. */
const fusedId = (second: VitConfig): string =>
  second.preNorm ? `dinoclip-vit-l-${second.imageSize}px` : `dinosiglip-vit-so-${second.imageSize}px`;

/** Prismatic's name of a tower alone. */
function singleId(vit: VitConfig): string {
  const { dim, imageSize } = vit;
  if (vit.preNorm) return `clip-vit-${dim === 768 ? 'b' : 'l'}${imageSize === 224 ? '' : `-${imageSize}px`}`;
  if (vit.classToken) return vitBackboneOf(vit).name === 'DINOv2' ? 'dinov2-vit-l' : 'in1k-vit-l';
  if (dim === 768) return `siglip-vit-b16-${imageSize}px`;
  return imageSize === 224 ? 'siglip-vit-so400m' : `siglip-vit-so400m-${imageSize}px`;
}

/** What transformers needs beside tokenizer.json to know its class: the fields of openvla-7b's tokenizer_config.json. */
export function tokenizerConfigJson(tokenizer: Uint8Array): Json {
  const json = JSON.parse(new TextDecoder().decode(tokenizer)) as { added_tokens?: { content?: string }[] };
  const added = json.added_tokens;
  if (isByteLevel(json)) {
    return {
      add_prefix_space: false,
      bos_token: null,
      clean_up_tokenization_spaces: false,
      eos_token: '<|endoftext|>',
      model_max_length: 2048,
      pad_token: '<|endoftext|>',
      padding_side: 'right',
      processor_class: 'PrismaticProcessor',
      tokenizer_class: 'Qwen2Tokenizer',
      unk_token: null,
    };
  }
  const padding = added?.some(({ content }) => content === '<PAD>') ? { pad_token: '<PAD>' } : {};
  return {
    bos_token: '<s>',
    clean_up_tokenization_spaces: false,
    eos_token: '</s>',
    legacy: false,
    model_max_length: 2048,
    ...padding,
    padding_side: 'right',
    processor_class: 'PrismaticProcessor',
    tokenizer_class: 'LlamaTokenizer',
    unk_token: '<unk>',
    use_default_system_prompt: false,
  };
}

/** True where the base's large matrices are stored in 4 or 8 bits: what is written of them is not what they were made from. */
export function isQuantised(source: WeightSource): boolean {
  const name = 'language_model.model.layers.0.mlp.gate_proj.weight';
  const [rows, columns] = source.shapeOf(name) as [number, number];
  return source.byteLengthOf(name) < 2 * rows * columns;
}

const QUANTISED =
  'The base was held quantised. Its weights in these files are the dequantised ones: what training saw, ' +
  'not exactly the weights of the original checkpoint.';

/** lora_adapter/README.md, where PEFT puts its model card. */
export function adapterReadme(state: TrainedState, baseName: string, quantised: boolean): string {
  const { lora, run, step } = state;
  const queries = state.modules.has('action_queries.weight')
    ? `\nThe action queries were trained, too. PEFT does not save them with an adapter, and VLA-Adapter's own adapter folders lack them: here they are in \
action_queries--${step}_checkpoint.pt beside this folder, to be copied into \`action_queries.weight\` of the model.\n`
    : '';
  return `---
base_model: ${JSON.stringify(baseName)}
library_name: peft
---

# ${run}, step ${step}

LoRA of ${state.adapters.size} modules, r = ${lora?.r}, alpha = ${lora?.alpha}, written by openvla-web in the format of PEFT 0.11.1.

\`PeftModel.from_pretrained(base, "lora_adapter")\`, or openvla-oft's \`vla-scripts/merge_lora_weights_and_save.py\`.
${quantised ? `\n${QUANTISED} This concerns \`lm_head.base_layer\` and the backbone in vision_backbone--${step}_checkpoint.pt; LoRA's factors are exact.\n` : ''}${queries}
### Framework versions

- PEFT 0.11.1
`;
}

/** README.md of a merged checkpoint. */
export function mergedReadme(state: TrainedState, config: PolicyConfig, quantised: boolean): string {
  const film = config.network.vits.some((vit) => vit.film);
  return `# ${state.run}, step ${state.step}

OpenVLA-OFT with its LoRA merged (W + alpha / r · B · A), written by openvla-web.

The modules beside it lie in the \`--${state.step}_checkpoint.pt\` files, as openvla-oft's finetune.py leaves them.
${film ? '\nFiLM: `vision_backbone--*.pt` holds the vision backbone with its LoRA; `model.safetensors` has the backbone without it, as in upstream’s merge.\n' : ''}${
    quantised
      ? `\n${QUANTISED} Merged from the original checkpoint instead, the adapter gives slightly different actions.\n`
      : ''
  }${
    knownBackbones(config)
      ? ''
      : '\nThe vision backbones are none of timm’s: openvla-web reads `oracle_tiny_vits` in config.json, Python needs them registered first.\n'
  }`;
}
