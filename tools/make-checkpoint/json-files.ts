/** The JSON files of a generated checkpoint folder, with the fields of official OpenVLA-OFT ones. */
import type { CheckpointShape } from './checkpoint-shapes.ts';

/** Contents by file name. */
export function jsonFiles(shape: CheckpointShape): Record<string, object> {
  return {
    'config.json': configJson(shape),
    'preprocessor_config.json': preprocessorJson(shape),
    'dataset_statistics.json': statisticsJson(shape),
  };
}

/** Those of a policy on Qwen2.5-0.5B, with DINOv2 and SigLIP at their real sizes. */
export function qwenJsonFiles(
  sizes: Pick<CheckpointShape, 'actionDim' | 'proprioDim'>,
): Record<string, object> {
  return {
    'config.json': {
      model_type: 'openvla',
      architectures: ['OpenVLAForActionPrediction'],
      use_fused_vision_backbone: true,
      timm_model_ids: ['vit_large_patch14_reg4_dinov2.lvd142m', 'vit_so400m_patch14_siglip_224'],
      timm_override_act_layers: [null, null],
      image_sizes: [224, 224],
      image_resize_strategy: 'resize-naive',
      n_action_bins: 256,
      pad_to_multiple_of: 64,
      torch_dtype: 'bfloat16',
      text_config: {
        model_type: 'qwen2',
        num_attention_heads: 14,
        num_key_value_heads: 2,
        rms_norm_eps: 1e-6,
        rope_theta: 1e6,
        tie_word_embeddings: true,
        use_sliding_window: false,
      },
    },
    'preprocessor_config.json': preprocessorJson({ imageSize: 224 }),
    'dataset_statistics.json': statisticsJson(sizes),
  };
}

/** ViTs that timm does not know are described by `oracle_tiny_vits`, as in the golden cases. */
function configJson({ dino, siglip, imageSize, llama }: CheckpointShape): object {
  const official = dino.timmId.startsWith('vit_');
  return {
    model_type: 'openvla',
    architectures: ['OpenVLAForActionPrediction'],
    use_fused_vision_backbone: true,
    timm_model_ids: [dino.timmId, siglip.timmId],
    timm_override_act_layers: [null, null],
    image_sizes: [imageSize, imageSize],
    image_resize_strategy: 'resize-naive',
    n_action_bins: 256,
    pad_to_multiple_of: 64,
    pad_token_id: 32000,
    torch_dtype: 'bfloat16',
    text_config: {
      model_type: 'llama',
      pad_token_id: 32000,
      torch_dtype: 'bfloat16',
      vocab_size: llama.vocabulary,
      // Official checkpoints leave out what LlamaConfig defaults to: the sizes of Llama-2-7B.
      ...(official ? {} : llamaSizes(llama)),
    },
    ...(official ? {} : { oracle_tiny_vits: [dino, siglip].map(({ heads }) => ({ num_heads: heads })) }),
  };
}

function llamaSizes({ hidden, intermediate, heads, layers }: CheckpointShape['llama']): object {
  return {
    hidden_size: hidden,
    intermediate_size: intermediate,
    num_attention_heads: heads,
    num_key_value_heads: heads,
    num_hidden_layers: layers,
  };
}

/** The same for DINOv2 and SigLIP. */
const both = <T>(value: T): T[] => [value, value];

/** ImageNet's mean and deviation for DINOv2, rounded to bf16 where upstream's export rounds them; one half for SigLIP. */
function preprocessorJson({ imageSize }: Pick<CheckpointShape, 'imageSize'>): object {
  const half = [0.5, 0.5, 0.5];
  return {
    image_processor_type: 'PrismaticImageProcessor',
    use_fused_vision_backbone: true,
    image_resize_strategy: 'resize-naive',
    input_sizes: both([3, imageSize, imageSize]),
    interpolations: both('bicubic'),
    means: [[0.485, 0.456, 0.406], half],
    stds: [[0.229, 0.224, 0.225], half],
    tvf_do_letterbox: false,
    tvf_letterbox_fill: null,
    tvf_resize_params: both({
      size: [imageSize, imageSize],
      interpolation: 3,
      max_size: null,
      antialias: true,
    }),
    tvf_crop_params: both({ output_size: [imageSize, imageSize] }),
    tvf_normalize_params: [
      {
        mean: [0.484375, 0.455078125, 0.40625],
        std: [0.228515625, 0.2236328125, 0.224609375],
        inplace: false,
      },
      { mean: half, std: half, inplace: false },
    ],
  };
}

/** Under a name that makes it a LIBERO policy; all actions but the gripper's are normalised. */
function statisticsJson({
  actionDim,
  proprioDim,
}: Pick<CheckpointShape, 'actionDim' | 'proprioDim'>): object {
  return {
    libero_random: {
      action: { ...bounds(actionDim), mask: Array.from({ length: actionDim }, (_, i) => i < actionDim - 1) },
      proprio: bounds(proprioDim),
      num_transitions: 1,
      num_trajectories: 1,
    },
  };
}

function bounds(length: number): Record<string, number[]> {
  const all = (value: number) => Array.from({ length }, () => value);
  return { mean: all(0), std: all(0.5), min: all(-1), max: all(1), q01: all(-0.9), q99: all(0.9) };
}
