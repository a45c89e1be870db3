/** Every kernel by name: its source and how many buffers it reads. */
import apply from './apply.wgsl?raw';
import attention from './attention.wgsl?raw';
import attentionColumns from './attention-columns.wgsl?raw';
import attentionColumnsDirect from './attention-columns-direct.wgsl?raw';
import attentionDirect from './attention-direct.wgsl?raw';
import attentionGradientOperands from './attention-gradient-operands.wgsl?raw';
import attentionGradientTiles from './attention-gradient-tiles.wgsl?raw';
import attentionOperands from './attention-operands.wgsl?raw';
import attentionRows from './attention-rows.wgsl?raw';
import attentionRowsDirect from './attention-rows-direct.wgsl?raw';
import chain from './chain.wgsl?raw';
import dequantise from './dequantise.wgsl?raw';
import erf from '../../../kernels/erf.wgsl?raw';
import finish from './finish.wgsl?raw';
import normGradient from './norm-gradient.wgsl?raw';
import normGradientDirect from './norm-gradient-direct.wgsl?raw';
import normGradientOperands from './norm-gradient-operands.wgsl?raw';
import normalize from './normalize.wgsl?raw';
import normalizeDirect from './normalize-direct.wgsl?raw';
import packedScales from './packed-scales.wgsl?raw';
import pad from './pad.wgsl?raw';
import product from './product.wgsl?raw';
import productDirect from './product-direct.wgsl?raw';
import productDirect4 from './product-direct4.wgsl?raw';
import productOperands from './product-operands.wgsl?raw';
import productParams from './product-params.wgsl?raw';
import reduce from './reduce.wgsl?raw';
import reducePlaces from './reduce-places.wgsl?raw';
import reduceShared from './reduce-shared.wgsl?raw';
import rope from './rope.wgsl?raw';
import tokens from './tokens.wgsl?raw';

export interface KernelSource {
  readonly code: string;
  /** Bindings 1 … reads are read, the next is written; 0 are the uniforms. */
  readonly reads: number;
}

const joined = (...parts: string[]): string => parts.join('\n');

const productParts = [erf, apply, finish, productParams, packedScales];

export const kernels: Readonly<Record<string, KernelSource>> = {
  attention: { code: joined(attentionOperands, attention), reads: 4 },
  'attention-columns': {
    code: joined(attentionGradientOperands, attentionGradientTiles, attentionColumns),
    reads: 6,
  },
  'attention-columns-direct': { code: joined(attentionGradientOperands, attentionColumnsDirect), reads: 6 },
  'attention-direct': { code: joined(attentionOperands, attentionDirect), reads: 4 },
  'attention-rows': {
    code: joined(attentionGradientOperands, attentionGradientTiles, attentionRows),
    reads: 6,
  },
  'attention-rows-direct': { code: joined(attentionGradientOperands, attentionRowsDirect), reads: 6 },
  chain: { code: joined(erf, apply, chain), reads: 6 },
  dequantise: { code: joined(dequantise, packedScales), reads: 2 },
  'norm-gradient': { code: joined(normGradientOperands, normGradient), reads: 4 },
  'norm-gradient-direct': { code: joined(normGradientOperands, normGradientDirect), reads: 4 },
  normalize: { code: normalize, reads: 3 },
  'normalize-direct': { code: normalizeDirect, reads: 3 },
  pad: { code: pad, reads: 1 },
  product: { code: joined(...productParts, productOperands, product), reads: 7 },
  'product-direct': { code: joined(...productParts, productOperands, productDirect), reads: 7 },
  'product-direct4': { code: joined(...productParts, productDirect4), reads: 7 },
  reduce: { code: joined(reducePlaces, reduce), reads: 1 },
  'reduce-shared': { code: joined(reducePlaces, reduceShared), reads: 1 },
  rope: { code: rope, reads: 3 },
  tokens: { code: tokens, reads: 3 },
};
