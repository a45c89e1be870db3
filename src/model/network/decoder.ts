/** The decoder that LLaMA, Qwen2 and Mistral share. What sets them apart is data: `LanguageConfig`, made by each backbone's own file. */
import type { GraphBuilder } from '../graph/builder.ts';
import type { Value } from '../graph/types.ts';
import type { LanguageConfig } from './language.ts';
import type { Scope, Tap } from './scope.ts';

export interface RopeTables {
  readonly cos: Value;
  readonly sin: Value;
}

/** What a layer reads beside the hidden states. */
export interface DecoderInputs {
  readonly rope: RopeTables;
  /** Added to the attention scores [1|B, 1, S, T]: very negative where a row may not look. None where every row sees every column. */
  readonly mask?: Value | undefined;
  /** Keys (after RoPE) and values [B, T, kvHeads · D] of earlier tokens, zeros where this one goes: at the one of `place` [B, T, 1]. */
  readonly cache?: { readonly keys: Value; readonly values: Value; readonly place: Value } | undefined;
}

export interface DecoderOutputs {
  /** [B, S, hidden] */
  readonly x: Value;
  /** What the attention read, [B, T, kvHeads · D] each; keys after RoPE. */
  readonly keys: Value;
  readonly values: Value;
}

/** What the shape of a layer follows from. */
export type DecoderShape = Pick<LanguageConfig, 'hidden' | 'heads' | 'kvHeads' | 'rmsEps'>;

export const headDimOf = ({ hidden, heads }: Pick<LanguageConfig, 'hidden' | 'heads'>): number =>
  hidden / heads;

/**
 * One decoder layer on [B, S, hidden]: pre-norm attention with RoPE and grouped keys, gated MLP. Biases are added where the
 * checkpoint has them (q, k and v of Qwen2). Which rows see which columns is the mask's business: see `attentionMask`.
 */
export function decoderLayer(
  g: GraphBuilder,
  config: DecoderShape,
  scope: Scope,
  x: Value,
  { rope, mask, cache }: DecoderInputs,
  tap: Tap,
): DecoderOutputs {
  const { heads, kvHeads, rmsEps } = config;
  const normed = g.rmsNorm(x, scope.weight('input_layernorm.weight'), rmsEps);
  tap('.input_layernorm', normed);
  const project = (name: string) => {
    const value = scope.linear(`self_attn.${name}`, normed);
    tap(`.${name}`, value);
    return value;
  };
  const cached = (old: Value | undefined, value: Value) =>
    old && cache ? g.add(old, g.matMul(cache.place, value)) : value;
  const q = g.rope(project('q_proj'), rope.cos, rope.sin, heads);
  const keys = cached(cache?.keys, g.rope(project('k_proj'), rope.cos, rope.sin, kvHeads));
  const values = cached(cache?.values, project('v_proj'));
  const scale = 1 / Math.sqrt(headDimOf(config));
  const mixed = g.attention(q, keys, values, { heads, kvHeads, scale, bias: mask });
  const attended = scope.linear('self_attn.o_proj', mixed);
  tap('.o_proj', attended);
  const h = g.add(x, attended);

  const normed2 = g.rmsNorm(h, scope.weight('post_attention_layernorm.weight'), rmsEps);
  tap('.post_attention_layernorm', normed2);
  const gate = g.silu(scope.linear('mlp.gate_proj', normed2));
  const mlp = scope.linear('mlp.down_proj', g.mul(gate, scope.linear('mlp.up_proj', normed2)));
  tap('.mlp', mlp);
  return { x: g.add(h, mlp), keys, values };
}

/** The last RMSNorm, [B, S, hidden]. */
export function decoderNorm(g: GraphBuilder, config: DecoderShape, scope: Scope, x: Value): Value {
  return g.rmsNorm(x, scope.weight('norm.weight'), config.rmsEps);
}

/** Rotary tables [length, headDim / 2] for positions `start`…, rounded to float32 where LlamaRotaryEmbedding rounds. */
export function ropeTables(
  config: Pick<LanguageConfig, 'hidden' | 'heads' | 'ropeTheta'>,
  length: number,
  start = 0,
): { cos: Float32Array; sin: Float32Array } {
  return rotaryTables(headDimOf(config), config.ropeTheta, length, start);
}

/** cos and sin [length, dim / 2] of position · base^(−2i / dim). */
export function rotaryTables(
  dim: number,
  base: number,
  length: number,
  start = 0,
): { cos: Float32Array; sin: Float32Array } {
  const half = dim / 2;
  const cos = new Float32Array(length * half);
  const sin = new Float32Array(length * half);
  for (let i = 0; i < half; i++) {
    const frequency = Math.fround(1 / Math.fround(base ** Math.fround((2 * i) / dim)));
    for (let row = 0; row < length; row++) {
      const angle = Math.fround((start + row) * frequency);
      cos[row * half + i] = Math.cos(angle);
      sin[row * half + i] = Math.sin(angle);
    }
  }
  return { cos, sin };
}

/** Added to attention scores that must not count: exp of it is zero, and no sum of two overflows. */
export const MASKED = -1e30;

/**
 * What is added to the scores of rows `start`… [rows, columns]: a causal row sees no column after it, and with a sliding window of W only the last
 * W + 1 columns (row i sees i − W … i: transformers' `sliding_window`, one more than the name says). Null where every row sees all.
 */
export function attentionMask(
  config: Pick<LanguageConfig, 'attention' | 'slidingWindow'>,
  rows: number,
  columns: number,
  start = 0,
): Float32Array | null {
  if (config.attention === 'bidirectional') return null;
  const window = config.slidingWindow ?? Infinity;
  const mask = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    const position = start + row;
    for (let column = 0; column < columns; column++) {
      if (column > position || column < position - window) mask[row * columns + column] = MASKED;
    }
  }
  return mask;
}
