import type { GraphBuilder } from '../graph/builder.ts';
import type { Value } from '../graph/types.ts';
import { headDimOf, type LlamaConfig } from './config.ts';
import type { Scope, Tap } from './scope.ts';

export interface RopeTables {
  readonly cos: Value;
  readonly sin: Value;
}

/**
 * One LLaMA decoder layer on [B, S, hidden], **bidirectional**: the OFT fork drops the causal mask, so `bias` masks padding columns
 * only (additive, [B, 1, S, S]; none for a single unpadded sequence).
 */
export function llamaBlock(
  g: GraphBuilder,
  config: LlamaConfig,
  scope: Scope,
  x: Value,
  rope: RopeTables,
  bias: Value | undefined,
  tap: Tap,
): Value {
  const { heads, kvHeads, rmsEps } = config;
  const normed = g.rmsNorm(x, scope.weight('input_layernorm.weight'), rmsEps);
  tap('input_layernorm', normed);
  const project = (name: string) => {
    const value = scope.linear(`self_attn.${name}`, normed);
    tap(name, value);
    return value;
  };
  const q = g.rope(project('q_proj'), rope.cos, rope.sin, heads);
  const k = g.rope(project('k_proj'), rope.cos, rope.sin, kvHeads);
  const v = project('v_proj');
  const mixed = g.attention(q, k, v, { heads, kvHeads, scale: 1 / Math.sqrt(headDimOf(config)), bias });
  const attended = scope.linear('self_attn.o_proj', mixed);
  tap('o_proj', attended);
  const h = g.add(x, attended);

  const normed2 = g.rmsNorm(h, scope.weight('post_attention_layernorm.weight'), rmsEps);
  tap('post_attention_layernorm', normed2);
  const gate = g.silu(scope.linear('mlp.gate_proj', normed2));
  const mlp = scope.linear('mlp.down_proj', g.mul(gate, scope.linear('mlp.up_proj', normed2)));
  tap('mlp', mlp);
  return g.add(h, mlp);
}

/** All blocks, one after the other. */
export function llamaBlocks(
  g: GraphBuilder,
  config: LlamaConfig,
  scope: Scope,
  x: Value,
  rope: RopeTables,
  bias: Value | undefined,
  tap: Tap,
): Value {
  for (let layer = 0; layer < config.layers; layer++) {
    x = llamaBlock(g, config, scope.child(`layers.${layer}`), x, rope, bias, (name, value) =>
      tap(`llm/layer${layer}.${name}`, value),
    );
    tap(`llm/layer${layer}`, x);
  }
  return x;
}

/** The last RMSNorm, [B, S, hidden]. */
export function llamaFinalNorm(g: GraphBuilder, config: LlamaConfig, scope: Scope, x: Value): Value {
  return g.rmsNorm(x, scope.weight('norm.weight'), config.rmsEps);
}

/**
 * Rotary tables [S, headDim / 2] for positions 0…S−1, rounded to float32 where LlamaRotaryEmbedding rounds.
 */
export function ropeTables(config: LlamaConfig, length: number): { cos: Float32Array; sin: Float32Array } {
  const dim = headDimOf(config);
  const half = dim / 2;
  const cos = new Float32Array(length * half);
  const sin = new Float32Array(length * half);
  for (let i = 0; i < half; i++) {
    const frequency = Math.fround(1 / Math.fround(config.ropeTheta ** Math.fround((2 * i) / dim)));
    for (let position = 0; position < length; position++) {
      const angle = Math.fround(position * frequency);
      cos[position * half + i] = Math.cos(angle);
      sin[position * half + i] = Math.sin(angle);
    }
  }
  return { cos, sin };
}
