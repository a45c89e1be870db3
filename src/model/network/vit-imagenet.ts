import type { VitBackbone } from './vit.ts';

/** The ViT that was trained on ImageNet-21K and 1K (timm's augreg): a class token, positions for it and the patches. */
export const imagenet: VitBackbone = {
  name: 'ImageNet ViT',
  models: {
    'vit_large_patch16_224.augreg_in21k_ft_in1k': {
      dim: 1024,
      depth: 24,
      heads: 16,
      patchSize: 16,
      registers: 0,
      imageSize: 224,
    },
  },
  normalization: { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
  mean: [0.5, 0.5, 0.5],
  eps: 1e-6,
  isOf: ({ classToken, layerScale, registerTokens, preNorm }) =>
    classToken && !layerScale && registerTokens === 0 && !preNorm,
};
