import { GraphBuilder } from '../../src/model/graph/builder.ts';
import type { DType, Graph } from '../../src/model/graph/types.ts';
import type { VitConfig } from '../../src/model/network/config.ts';
import { decoderLayer, type DecoderShape } from '../../src/model/network/decoder.ts';
import { loraNames, Scope } from '../../src/model/network/scope.ts';
import { vitBlock } from '../../src/model/network/vit.ts';

const LLAMA: DecoderShape = { hidden: 8, heads: 4, kvHeads: 2, rmsEps: 1e-6 };

const VIT: VitConfig = {
  prefix: 'vision_backbone.featurizer',
  imageSize: 28,
  patchSize: 14,
  dim: 6,
  depth: 2,
  heads: 2,
  classToken: true,
  registerTokens: 0,
  positionsForPatchesOnly: true,
  layerScale: true,
  film: true,
  eps: 1e-6,
};

type Table = Map<string, { shape: number[]; dtype: DType }>;

/** A whole LLaMA layer: batch of 2, padding mask, grouped heads; its matrices in the given encoding. */
export function llamaBlockGraph(dtype: DType): Graph {
  const { hidden, heads, kvHeads } = LLAMA;
  const kv = (hidden / heads) * kvHeads;
  const inner = 12;
  const table: Table = new Map();
  const matrices: [string, number, number][] = [
    ['self_attn.q_proj', hidden, hidden],
    ['self_attn.k_proj', kv, hidden],
    ['self_attn.v_proj', kv, hidden],
    ['self_attn.o_proj', hidden, hidden],
    ['mlp.gate_proj', inner, hidden],
    ['mlp.up_proj', inner, hidden],
    ['mlp.down_proj', hidden, inner],
  ];
  for (const [name, n, k] of matrices) table.set(`${name}.weight`, { shape: [n, k], dtype });
  for (const name of ['input_layernorm', 'post_attention_layernorm']) {
    table.set(`${name}.weight`, { shape: [hidden], dtype: 'float32' });
  }
  const g = new GraphBuilder(`llama block ${dtype}`);
  const rope = { cos: g.input('cos', [3, 1]), sin: g.input('sin', [3, 1]) };
  const bias = g.input('bias', [2, 1, 3, 3]);
  g.output(
    'y',
    decoderLayer(
      g,
      LLAMA,
      new Scope(g, table, ''),
      g.input('x', [2, 3, hidden]),
      { rope, mask: bias },
      () => undefined,
    ).x,
  );
  return g.build();
}

/** A linear layer [5 → 6] with LoRA of rank 2, its weight in the given encoding: as a path beside the weight, or merged into it. */
export function loraGraph(dtype: DType, merged: boolean): Graph {
  const [outputs, inputs, rank] = [6, 5, 2];
  const table: Table = new Map([
    ['fc.weight', { shape: [outputs, inputs], dtype }],
    ['fc.bias', { shape: [outputs], dtype: 'float32' }],
    [loraNames('fc').a, { shape: [rank, inputs], dtype: 'float32' }],
    [loraNames('fc').b, { shape: [outputs, rank], dtype: 'float32' }],
  ]);
  const g = new GraphBuilder(`LoRA ${dtype}${merged ? ' merged' : ''}`);
  const scope = new Scope(g, table, '', '', { scaling: 0.5, dropout: false, merged });
  g.output('y', scope.linear('fc', g.input('x', [2, 3, inputs])));
  return g.build();
}

export const LORA_TRAINED = ['x', loraNames('fc').a, loraNames('fc').b];

/** A whole ViT block with LayerScale and FiLM. */
export function vitBlockGraph(): Graph {
  const { dim } = VIT;
  const shapes: Record<string, number[]> = {
    'attn.qkv.weight': [3 * dim, dim],
    'attn.qkv.bias': [3 * dim],
    'attn.proj.weight': [dim, dim],
    'attn.proj.bias': [dim],
    'mlp.fc1.weight': [10, dim],
    'mlp.fc1.bias': [10],
    'mlp.fc2.weight': [dim, 10],
    'mlp.fc2.bias': [dim],
    'scale.weight': [dim, 4],
    'scale.bias': [dim],
    'shift.weight': [dim, 4],
    'shift.bias': [dim],
  };
  for (const name of [
    'norm1.weight',
    'norm1.bias',
    'norm2.weight',
    'norm2.bias',
    'ls1.scale_factor',
    'ls2.scale_factor',
  ]) {
    shapes[name] = [dim];
  }
  const table: Table = new Map(
    Object.entries(shapes).map(([name, shape]) => [name, { shape, dtype: 'float32' }]),
  );
  const g = new GraphBuilder('vit block');
  const x = g.input('x', [2, 3, dim]);
  g.output(
    'y',
    vitBlock(g, VIT, new Scope(g, table, ''), x, g.input('language', [1, 4]), () => undefined),
  );
  return g.build();
}
