/**
 * VLA-Adapter's head (prismatic/models/action_heads.py): queries, one per action of the chunk, attend to the hidden states of every layer of the language
 * model, one layer per block. It computes what upstream's code computes, also where that is not what one would expect.
 */
import { ModelError } from '../../base/errors.ts';
import type { GraphBuilder } from '../graph/builder.ts';
import type { Shape, Value } from '../graph/types.ts';
import { decoderNorm, rotaryTables } from '../network/decoder.ts';
import { linear, norm } from './mlp-res-net.ts';
import { keyOf, takeRows, type RowsOf } from '../network/language-segments.ts';
import { countBlocks, shapeOf } from '../network/checkpoint-shapes.ts';
import type { NetworkConfig, Shapes } from '../network/config.ts';
import type { Scope, Tap } from '../network/scope.ts';
import type { Segment } from '../network/segment.ts';

/** What VLA-Adapter's head is, as numbers. */
export interface BridgeConfig {
  /** Pro has keys and values of its own for each kind of state, and a rotary embedding. */
  readonly pro: boolean;
  /** Action queries: rows of `action_queries.weight`. */
  readonly queries: number;
  readonly blocks: number;
  /** How many of the rows it is given the head takes as vision (`num_task_tokens`, 512 in upstream's code whatever the images). */
  readonly taskTokens: number;
}

const HEADS = 8;
/** Epsilon of torch.nn.LayerNorm. */
const EPS = 1e-5;
/** Of Pro's rotary embedding. */
const ROPE_BASE = 10_000;

export interface BridgeOptions {
  readonly bridge: BridgeConfig;
  /** Patches of all images of a sample. */
  readonly patches: number;
  /** The rows of the action queries, one early as upstream's. */
  readonly rows: RowsOf;
  /** Also what the head does not read: the embeddings' rows, and the final norm where the blocks end before it. */
  readonly traced?: boolean;
}

/**
 * From `hidden0` … of `decoderSegments`, `head_input` [B, chunk, dim · hidden] (zeros; noise in training) and `proprio` [B, 1, hidden] to `predicted`
 * [B, chunk, dim].
 */
export function bridgeSegments(network: NetworkConfig, options: BridgeOptions): Segment[] {
  const { layers } = network.language;
  const { blocks } = options.bridge;
  const first = options.traced ? 0 : 1;
  const last = options.traced ? layers : blocks;
  return [
    ...(last === layers ? [normSegment(network)] : []),
    ...Array.from({ length: last - first + 1 }, (_, i) => statesSegment(network, first + i, options)),
    startSegment,
    ...Array.from({ length: blocks }, (_, i) => blockSegment(i, options.bridge)),
    endSegment(blocks),
  ];
}

/** Its weights, with the action queries, under upstream's names: the whole head, also Pro's `film_gen`, which nothing calls. */
export function bridgeShapes(
  { pro, queries, blocks }: BridgeConfig,
  hidden: number,
  dim: number,
): Map<string, Shape> {
  const root = 'action_head.model';
  const projections = pro
    ? ['q_proj', ...['self', 'adapter', 'task'].flatMap((of) => [`k_${of}`, `v_${of}`]), 'o_proj']
    : ['q_proj', 'k_proj', 'v_proj', 'o_proj'];
  const block = (name: string): [string, Shape][] => [
    [`${name}.gating_factor`, [1]],
    ...norm(`${name}.ffn.0`, hidden),
    ...[`ffn.1`, ...projections].flatMap((of) => linear(`${name}.${of}`, hidden, hidden)),
    ...(pro ? linear(`${name}.film_gen.0`, 2 * hidden, hidden) : []),
  ];
  return new Map([
    ['action_queries.weight', [queries, hidden]],
    ...norm(`${root}.layer_norm1`, hidden * dim),
    ...linear(`${root}.fc1`, hidden, hidden * dim),
    ...Array.from({ length: blocks }, (_, i) => block(`${root}.mlp_resnet_blocks.${i}`)).flat(),
    ...norm(`${root}.layer_norm2`, hidden),
    ...linear(`${root}.fc2`, dim, hidden),
  ]);
}

/** Upstream's hidden_states end in the normed ones; the last layer's own output is not among them. */
function normSegment({ language }: NetworkConfig): Segment {
  return {
    key: 'final norm',
    prefix: 'language_model.model',
    inputs: { x: `hidden${language.layers}` },
    outputs: { x: 'normed' },
    stage: 'llm/final_norm',
    build: (g, scope, { x }) => ({ x: decoderNorm(g, language, scope(''), x!) }),
  };
}

/**
 * Of each sequence of hidden states: as many rows from the start as there are patches (the first token and all patches but the last: one early), then those of
 * the queries (the last prompt token and all queries but the last).
 */
function statesSegment({ language }: NetworkConfig, index: number, options: BridgeOptions): Segment {
  const { rows, patches } = options;
  return {
    key: `states ${patches} ${keyOf(rows)}`,
    prefix: '',
    inputs: {
      x: index === language.layers ? 'normed' : `hidden${index}`,
      ...(rows === 'select' ? { select: 'select' } : {}),
    },
    outputs: { states: `states${index}` },
    stage: `multi_layer_hidden_states/${index}`,
    build: (g, _, { x, select }) => ({
      states: g.concat([g.slice(x!, 1, 0, patches), takeRows(g, x!, rows, select)], 1),
    }),
  };
}

const startSegment: Segment = {
  key: 'bridge start',
  prefix: 'action_head.model',
  inputs: { input: 'head_input' },
  outputs: { x: 'head0' },
  stage: 'action_head/relu',
  build: (g, scope, { input }, tap) => {
    const head = scope('');
    const normed = head.layerNorm('layer_norm1', input!, EPS);
    tap('action_head/layer_norm1', normed);
    const x = head.linear('fc1', normed);
    tap('action_head/fc1', x);
    return { x: g.relu(x) };
  },
};

const endSegment = (blocks: number): Segment => ({
  key: 'bridge end',
  prefix: 'action_head.model',
  inputs: { x: `head${blocks}` },
  outputs: { predicted: 'predicted' },
  stage: 'action_head/out',
  build: (_, scope, { x }, tap) => {
    const head = scope('');
    const normed = head.layerNorm('layer_norm2', x!, EPS);
    tap('action_head/layer_norm2', normed);
    return { predicted: head.linear('fc2', normed) };
  },
});

function blockSegment(index: number, bridge: BridgeConfig): Segment {
  return {
    key: `bridge block ${bridge.taskTokens}${bridge.pro ? ' pro' : ''}`,
    prefix: `action_head.model.mlp_resnet_blocks.${index}`,
    // The first entry of upstream's hidden_states, the embeddings, is never read.
    inputs: { x: `head${index}`, states: `states${index + 1}`, proprio: 'proprio' },
    outputs: { x: `head${index + 1}` },
    stage: `action_head/block${index}`,
    build: (g, scope, { x, states, proprio }, tap) => ({
      x: bridgeBlock(g, bridge, scope(''), { x: x!, states: states!, proprio: proprio! }, tap),
    }),
  };
}

/**
 * x [B, T, h], states [B, N, h], proprio [B, 1, h] → [B, T, h]. Keys and values come from x itself, from the action states with proprio behind them, and from
 * the task (vision) states, whose scores alone are multiplied by tanh(gate); one softmax goes over all. No outer residual.
 */
function bridgeBlock(
  g: GraphBuilder,
  { pro, taskTokens }: BridgeConfig,
  scope: Scope,
  { x, states, proprio }: { readonly x: Value; readonly states: Value; readonly proprio: Value },
  tap: Tap,
): Value {
  const total = states.shape[1]!;
  const cut = Math.min(taskTokens, total);
  const rest = cut < total ? [g.slice(states, 1, cut, total)] : [];
  const sources = {
    self: x,
    adapter: g.concat([...rest, proprio], 1),
    task: g.slice(states, 1, 0, cut),
  };
  const project = (kind: 'k' | 'v', of: keyof typeof sources): Value => {
    const value = scope.linear(pro ? `${kind}_${of}` : `${kind}_proj`, sources[of]);
    tap(pro ? `.${kind}_${of}` : `.${kind}_proj/${of === 'self' ? 'tokens' : of}`, value);
    return split(g, value);
  };
  const turned = (value: Value) => (pro ? notQuiteRotated(g, value) : value);
  const projected = scope.linear('q_proj', x);
  tap('.q_proj', projected);
  const q = turned(split(g, projected));
  const gate = tanh(g, scope.weight('gating_factor'));
  const scores = (['self', 'adapter', 'task'] as const).map((of) => {
    const dots = g.matMul(q, g.swapLast(turned(project('k', of))));
    return of === 'task' ? g.mul(dots, gate) : dots;
  });
  const values = (['self', 'adapter', 'task'] as const).map((of) => project('v', of));
  const headDim = x.shape[2]! / HEADS;
  const weights = g.softmax(g.scale(g.concat(scores, 3), 1 / Math.sqrt(headDim)));
  tap('.attn_weights', weights);
  const mixed = g.reshape(g.transpose(g.matMul(weights, g.concat(values, 2)), [0, 2, 1, 3]), x.shape);
  const attended = scope.linear('o_proj', mixed);
  tap('.o_proj', attended);
  const normed = scope.layerNorm('ffn.0', g.add(attended, x), EPS);
  tap('.ffn.0', normed);
  const out = scope.linear('ffn.1', normed);
  tap('.ffn.1', out);
  return g.relu(out);
}

/** [B, T, heads · D] → [B, heads, T, D] */
function split(g: GraphBuilder, x: Value): Value {
  const [batch, length, width] = x.shape as [number, number, number];
  return g.transpose(g.reshape(x, [batch, length, HEADS, width / HEADS]), [0, 2, 1, 3]);
}

/** No op of its own: tanh(x) = 2 σ(2x) − 1. */
function tanh(g: GraphBuilder, x: Value): Value {
  return g.addScalar(g.scale(g.sigmoid(g.scale(x, 2)), 2), -1);
}

/**
 * Pro's rotary embedding on [B, heads, T, D]: the tables are laid out for rotate-half, the rotation is interleaved, so it is not a
 * rotation. Positions start at 0 for each kind of state.
 */
function notQuiteRotated(g: GraphBuilder, x: Value): Value {
  const [batch, heads, length, dim] = x.shape as [number, number, number, number];
  const { cos, sin } = bridgeRopeTables(length, dim);
  const pairs = g.reshape(x, [batch, heads, length, dim / 2, 2]);
  const swapped = g.concat([g.scale(g.slice(pairs, 4, 1, 2), -1), g.slice(pairs, 4, 0, 1)], 4);
  const turned = g.reshape(swapped, x.shape);
  const shape = [length, dim];
  return g.add(g.mul(x, g.constant(cos, shape)), g.mul(turned, g.constant(sin, shape)));
}

/** cos and sin [length, dim], each table twice side by side. */
export function bridgeRopeTables(length: number, dim: number): { cos: Float32Array; sin: Float32Array } {
  const { cos, sin } = rotaryTables(dim, ROPE_BASE, length);
  return { cos: twice(cos, dim / 2), sin: twice(sin, dim / 2) };
}

function twice(table: Float32Array, half: number): Float32Array {
  return Float32Array.from(
    { length: 2 * table.length },
    (_, i) => table[Math.floor(i / (2 * half)) * half + (i % half)]!,
  );
}

/** `num_task_tokens`: a literal in action_heads.py, which is right for two images of 224 px. */
const TASK_TOKENS = 512;

/** @throws ModelError `missing-tensor` or `bad-shape` where head, queries and language model do not belong together */
export function bridgeConfig(shapes: Shapes, { language }: NetworkConfig): BridgeConfig {
  const queries = shapeOf(shapes, 'action_queries.weight')[0]!;
  shapeOf(shapes, 'proprio_projector.fc1.weight');
  const blocks = countBlocks(shapes, 'action_head.model.mlp_resnet_blocks');
  if (blocks > language.layers) {
    throw new ModelError(
      'bad-shape',
      `The action head has ${blocks} blocks, one for each layer, but the language model has ${language.layers} layers.`,
      'Head and language model belong to different checkpoints.',
    );
  }
  const pro = shapes.has('action_head.model.mlp_resnet_blocks.0.k_self.weight');
  return { pro, queries, blocks, taskTokens: TASK_TOKENS };
}
