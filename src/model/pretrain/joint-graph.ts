/** The whole policy as one graph, from pixels to the loss: for training every weight at once. */
import { GraphBuilder } from '../graph/builder.ts';
import type { Graph, Value } from '../graph/types.ts';
import { vjp } from '../graph/vjp.ts';
import { headDimOf, patchesOf, usedBlocks } from '../network/config.ts';
import { llamaBlock, llamaFinalNorm } from '../network/llama.ts';
import { projector } from '../network/projector.ts';
import { Scope, type WeightTable } from '../network/scope.ts';
import { vitBlock, vitEmbed, vitFeatures } from '../network/vit.ts';
import type { PolicyConfig } from '../policy/config.ts';

/**
 * What helps a policy find out where things are, long before its actions are any good. The heads are dropped afterwards.
 * P patches of the first image, K maps (objects, then what is to be moved and where to).
 */
export interface Auxiliaries {
  readonly maps: number;
  /** Coordinates asked of the action and proprio tokens: of the target and the destination, relative to the gripper. */
  readonly relative: number;
  /** Coordinates asked of the patch in which an object lies. */
  readonly position: number;
  readonly weights: { readonly maps: number; readonly relative: number; readonly position: number };
}

export interface JointOptions {
  readonly batch: number;
  /** Tokens of the text, BOS and padding included. */
  readonly tokens: number;
  readonly auxiliaries: Auxiliaries;
}

/** Shapes of the auxiliary heads' weights. */
export function auxiliaryShapes(hidden: number, auxiliaries: Auxiliaries): Map<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>();
  for (const name of ['maps', 'relative', 'position'] as const) {
    shapes.set(`auxiliary.${name}.weight`, [auxiliaries[name], hidden]);
    shapes.set(`auxiliary.${name}.bias`, [auxiliaries[name]]);
  }
  return shapes;
}

const quiet = () => undefined;
/** Epsilon of torch.nn.LayerNorm. */
const HEAD_EPS = 1e-5;

/**
 * Inputs besides the weights: `pixels` [B · images, 3 · backbones, H, W], `proprio` [B, state], `bos` [B, 1, hidden], `text` [B, T − 1, hidden],
 * `mask` [B, 1, S, S], `select` [B, chunk · dim, S], `cos` and `sin` [S, headDim / 2], `actions` [B, chunk, dim]; for the
 * auxiliaries `relative` and `relativeMask` [B, 1, R], `maps` [B, K, P] (ones in one place each, or none), `position` and
 * `positionMask` [B, P, 3]. Outputs: `loss` [1] (what is trained) and its parts `loss.…` [1] (`loss.l1` is upstream's), `predicted` [B, chunk, dim].
 */
export function jointGraph(config: PolicyConfig, table: WeightTable, options: JointOptions): Graph {
  const { network, profile } = config;
  const { llama } = network;
  const { batch, tokens, auxiliaries } = options;
  const images = profile.images.length;
  const patches = patchesOf(network.vits[0]!);
  const side = network.vits[0]!.imageSize;
  const [chunk, dim] = [profile.chunkSize, profile.actions.length];
  const rows = chunk * dim;
  const state = profile.state?.length ?? 0;
  const length = 1 + images * patches + 1 + tokens - 1;

  const g = new GraphBuilder('joint');
  const root = new Scope(g, table, '');
  const scope = (name: string) => root.child(name);

  const pixels = g.input('pixels', [batch * images, 3 * network.vits.length, side, side]);
  const features = network.vits.map((vit, i) => {
    const tower = scope(vit.prefix);
    let x = vitEmbed(g, vit, tower, g.slice(pixels, 1, 3 * i, 3 * i + 3), quiet);
    for (let block = 0; block < usedBlocks(vit); block++)
      x = vitBlock(g, vit, tower.child(`blocks.${block}`), x, undefined, quiet);
    return vitFeatures(g, vit, x);
  });
  const width = network.vits.reduce((sum, vit) => sum + vit.dim, 0);
  const seen = g.reshape(g.concat(features, 2), [batch, images * patches, width]);
  const patchTokens = projector(g, network, scope('projector'), seen);

  const proprio = scope('proprio_projector');
  const stateToken = g.reshape(
    proprio.linear('fc2', g.gelu(proprio.linear('fc1', g.input('proprio', [batch, state])))),
    [batch, 1, llama.hidden],
  );
  const bos = g.input('bos', [batch, 1, llama.hidden]);
  const text = g.input('text', [batch, tokens - 1, llama.hidden]);
  const rope = {
    cos: g.input('cos', [length, headDimOf(llama) / 2]),
    sin: g.input('sin', [length, headDimOf(llama) / 2]),
  };
  const mask = g.input('mask', [batch, 1, length, length]);
  const model = scope('language_model.model');
  let x = g.concat([bos, patchTokens, stateToken, text], 1);
  for (let layer = 0; layer < llama.layers; layer++)
    x = llamaBlock(g, llama, model.child(`layers.${layer}`), x, rope, mask, quiet);
  const states = llamaFinalNorm(g, llama, model, x);
  const actionStates = g.matMul(g.input('select', [batch, rows, length]), states);

  const predicted = resNet(
    g,
    scope('action_head.model'),
    g.reshape(actionStates, [batch, chunk, dim * llama.hidden]),
  );
  g.output('predicted', predicted);
  const l1 = mean(g, absolute(g, g.sub(predicted, g.input('actions', [batch, chunk, dim]))));

  const heads = scope('auxiliary');
  const main = g.slice(states, 1, 1, 1 + patches);
  const asked = g.concat([actionStates, g.slice(states, 1, 1 + images * patches, 2 + images * patches)], 1);
  const relative = masked(
    g,
    g.sub(heads.linear('relative', asked), g.input('relative', [batch, 1, auxiliaries.relative])),
    g.input('relativeMask', [batch, 1, auxiliaries.relative]),
  );
  const position = masked(
    g,
    g.sub(heads.linear('position', main), g.input('position', [batch, patches, auxiliaries.position])),
    g.input('positionMask', [batch, patches, auxiliaries.position]),
  );
  const maps = g.softmax(g.transpose(heads.linear('maps', main), [0, 2, 1]));
  const found = g.mul(g.log(g.addScalar(maps, 1e-6)), g.input('maps', [batch, auxiliaries.maps, patches]));
  const surprise = g.scale(total(g, found), -1 / batch);
  const { weights } = auxiliaries;
  const parts = {
    l1,
    relative: g.scale(relative, 1 / (batch * (rows + 1) * auxiliaries.relative)),
    position: g.scale(position, 1 / batch),
    maps: surprise,
  };
  for (const [name, value] of Object.entries(parts)) g.output(`loss.${name}`, value);
  const loss = (['relative', 'position', 'maps'] as const).reduce(
    (sum, name) => g.add(sum, g.scale(parts[name], weights[name])),
    l1,
  );
  g.output('loss', loss);
  return g.build();
}

/** What the loss is made of. */
export const PARTS = ['l1', 'relative', 'position', 'maps'] as const;

/** Forward and backward in one graph: `loss`, its parts and a gradient for each weight and for `text`. */
export function jointTrainingGraph(graph: Graph, weights: readonly string[]): Graph {
  const used = weights.filter((name) => graph.inputs.some((input) => input.name === name));
  return vjp(graph, {
    wrt: [...used, 'bos', 'text'],
    outputs: ['loss'],
    keep: ['loss', ...PARTS.map((part) => `loss.${part}`)],
  });
}

/** MLPResNet of the L1 head (openvla-oft prismatic/models/action_heads.py). */
function resNet(g: GraphBuilder, head: Scope, input: Value): Value {
  let x = g.relu(head.linear('fc1', head.layerNorm('layer_norm1', input, HEAD_EPS)));
  for (let i = 0; head.has(`mlp_resnet_blocks.${i}.ffn.1.weight`); i++) {
    const block = head.child(`mlp_resnet_blocks.${i}`);
    x = g.add(x, g.relu(block.linear('ffn.1', block.layerNorm('ffn.0', x, HEAD_EPS))));
  }
  return head.linear('fc2', head.layerNorm('layer_norm2', x, HEAD_EPS));
}

function absolute(g: GraphBuilder, x: Value): Value {
  return g.add(g.relu(x), g.relu(g.scale(x, -1)));
}

function total(g: GraphBuilder, x: Value): Value {
  return g.reshape(
    g.reduceSum(
      x,
      x.shape.map((_, axis) => axis),
    ),
    [1],
  );
}

function mean(g: GraphBuilder, x: Value): Value {
  return g.scale(total(g, x), 1 / x.shape.reduce((product, size) => product * size, 1));
}

/** Sum of |difference| where the mask is one. */
function masked(g: GraphBuilder, difference: Value, mask: Value): Value {
  return total(g, g.mul(absolute(g, difference), mask));
}
