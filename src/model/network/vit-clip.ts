import type { VitBackbone } from './vit.ts';

const large = { dim: 1024, depth: 24, heads: 16, patchSize: 14, registers: 0 };

/** OpenAI's CLIP (timm): a class token, a LayerNorm before the first block, no bias in the patch convolution. */
export const clip: VitBackbone = {
  name: 'CLIP',
  models: {
    'vit_base_patch16_clip_224.openai': {
      dim: 768,
      depth: 12,
      heads: 12,
      patchSize: 16,
      registers: 0,
      imageSize: 224,
    },
    'vit_large_patch14_clip_224.openai': { ...large, imageSize: 224 },
    'vit_large_patch14_clip_336.openai': { ...large, imageSize: 336 },
  },
  // OPENAI_CLIP_MEAN and _STD, rounded to bf16 as convert_openvla_weights_to_hf.py leaves them.
  normalization: {
    mean: [0.482421875, 0.45703125, 0.408203125],
    std: [0.26953125, 0.26171875, 0.275390625],
  },
  mean: [0.48145466, 0.4578275, 0.40821073],
  // torch.nn.LayerNorm's own: timm gives CLIP no other.
  eps: 1e-5,
  isOf: ({ preNorm }) => preNorm === true,
};
