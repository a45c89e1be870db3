import type { VitBackbone } from './vit.ts';

/** DINOv2 (timm): a class token, register tokens in the newer one, and LayerScale. */
export const dinov2: VitBackbone = {
  name: 'DINOv2',
  models: {
    'vit_large_patch14_reg4_dinov2.lvd142m': { dim: 1024, depth: 24, heads: 16, patchSize: 14, registers: 4 },
    'vit_large_patch14_dinov2.lvd142m': { dim: 1024, depth: 24, heads: 16, patchSize: 14, registers: 0 },
  },
  // ImageNet's, rounded to bf16 as in official checkpoints.
  normalization: {
    mean: [0.484375, 0.455078125, 0.40625],
    std: [0.228515625, 0.2236328125, 0.224609375],
  },
  mean: [0.485, 0.456, 0.406],
  eps: 1e-6,
  isOf: ({ classToken, layerScale, registerTokens }) => classToken && (layerScale || registerTokens > 0),
};
