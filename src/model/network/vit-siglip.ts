import type { VitBackbone } from './vit.ts';

const base = { dim: 768, depth: 12, heads: 12, patchSize: 16, registers: 0 };
const so400m = { dim: 1152, depth: 27, heads: 16, patchSize: 14, registers: 0 };

/** SigLIP (timm): patches only. Its attention pooling is in the checkpoint, and never run. */
export const siglip: VitBackbone = {
  name: 'SigLIP',
  models: {
    vit_base_patch16_siglip_224: { ...base, imageSize: 224 },
    vit_base_patch16_siglip_256: { ...base, imageSize: 256 },
    vit_base_patch16_siglip_384: { ...base, imageSize: 384 },
    vit_so400m_patch14_siglip_224: { ...so400m, imageSize: 224 },
    // 384 is not a multiple of 14: the convolution leaves out the last 6 rows and columns, which makes 27 · 27 patches.
    vit_so400m_patch14_siglip_384: { ...so400m, imageSize: 384 },
  },
  normalization: { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
  mean: [0.5, 0.5, 0.5],
  eps: 1e-6,
  isOf: ({ classToken }) => !classToken,
};
