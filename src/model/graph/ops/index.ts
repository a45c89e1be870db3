import type { OpDefinition } from '../op.ts';
import { attention, rope } from './attention.ts';
import {
  attentionKeyValueGradient,
  attentionQueryGradient,
  attentionStatistics,
} from './attention-gradient.ts';
import {
  add,
  addScalar,
  div,
  erfOp,
  exp,
  gelu,
  log,
  mul,
  relu,
  scale,
  sigmoid,
  sqrt,
  step,
  sub,
} from './elementwise.ts';
import { concat, expand, pad, reduceSum, reshape, slice, transpose } from './layout.ts';
import { dequantise, linear, linearTransposed, matMul, weightGradient } from './matmul.ts';
import { layerNorm, layerNormGradient, rmsNorm, rmsNormGradient, softmax } from './norm.ts';
import { argMax, crossEntropy, crossEntropyGradient } from './tokens.ts';

/** Every op of the IR by name. */
export const ops = {
  add,
  addScalar,
  argMax,
  attention,
  attentionKeyValueGradient,
  attentionQueryGradient,
  attentionStatistics,
  concat,
  crossEntropy,
  crossEntropyGradient,
  dequantise,
  div,
  erf: erfOp,
  exp,
  expand,
  gelu,
  layerNorm,
  layerNormGradient,
  linear,
  linearTransposed,
  log,
  matMul,
  mul,
  pad,
  reduceSum,
  relu,
  reshape,
  rmsNorm,
  rmsNormGradient,
  rope,
  scale,
  sigmoid,
  slice,
  softmax,
  sqrt,
  step,
  sub,
  transpose,
  weightGradient,
} satisfies Record<string, OpDefinition>;

export type OpName = keyof typeof ops;

export function opNamed(name: string): OpDefinition {
  return ops[name as OpName];
}
