import type { OpName } from '../../../graph/ops/index.ts';
import type { Lowering } from '../plan-builder.ts';
import { lowerChain } from './chain.ts';
import {
  lowerConcat,
  lowerDequantise,
  lowerExpand,
  lowerPad,
  lowerReduceSum,
  lowerReshape,
  lowerSlice,
  lowerTranspose,
} from './layout.ts';
import { lowerProduct } from './product.ts';
import { lowerAttention, lowerAttentionGradient } from './attention.ts';
import { lowerNormalize, lowerNormGradient, lowerRope } from './rows.ts';
import { lowerTokens } from './tokens.ts';

const elementwise: Lowering = (to, node) => lowerChain(to, [node]);
const normGradient: Lowering = (to, node) => lowerNormGradient(to, node);
const product: Lowering = (to, node) => lowerProduct(to, node);

/** How each op of the IR becomes dispatches where nothing is fused with it. */
export const lowerings: Record<OpName, Lowering> = {
  add: elementwise,
  addScalar: elementwise,
  argMax: lowerTokens,
  attention: lowerAttention,
  attentionKeyValueGradient: lowerAttentionGradient,
  attentionQueryGradient: lowerAttentionGradient,
  attentionStatistics: lowerAttentionGradient,
  concat: lowerConcat,
  crossEntropy: lowerTokens,
  crossEntropyGradient: lowerTokens,
  dequantise: lowerDequantise,
  div: elementwise,
  erf: elementwise,
  exp: elementwise,
  expand: lowerExpand,
  gelu: elementwise,
  layerNorm: lowerNormalize,
  layerNormGradient: normGradient,
  linear: product,
  linearTransposed: product,
  log: elementwise,
  matMul: product,
  mul: elementwise,
  pad: lowerPad,
  reduceSum: lowerReduceSum,
  relu: elementwise,
  reshape: lowerReshape,
  rmsNorm: lowerNormalize,
  rmsNormGradient: normGradient,
  rope: lowerRope,
  scale: elementwise,
  sigmoid: elementwise,
  slice: lowerSlice,
  softmax: lowerNormalize,
  sqrt: elementwise,
  step: elementwise,
  sub: elementwise,
  transpose: lowerTranspose,
  weightGradient: product,
};
