/** The whole policy as one graph, from pixels to the loss: for training every weight at once. */
import { GraphBuilder } from '../graph/builder.ts';
import type { Graph, Value } from '../graph/types.ts';
import { vjp } from '../graph/vjp.ts';
import { prefixTokens, trainingSegments } from '../heads/sequence-segments.ts';
import { patchesOf } from '../network/config.ts';
import { headDimOf } from '../network/decoder.ts';
import { Scope, type WeightTable } from '../network/scope.ts';
import { buildSegments } from '../network/segment.ts';
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

/**
 * Inputs as `trainingSegments`, with padding; for the auxiliaries `relative` and `relativeMask` [B, 1, R], `maps` [B, K, P] (ones in one place each, or none), `position`
 * and `positionMask` [B, P, 3]. Outputs: `loss` [1] (what is trained) and its parts `loss.…` [1] (`loss.l1` is upstream's), `predicted` [B, chunk, dim].
 */
export function jointGraph(config: PolicyConfig, table: WeightTable, options: JointOptions): Graph {
  const { batch, auxiliaries } = options;
  const images = config.profile.images.length;
  const patches = patchesOf(config.network.vits[0]!);
  const rows = config.profile.chunkSize * config.profile.actions.length;

  const g = new GraphBuilder('joint');
  const root = new Scope(g, table, '');
  const scope = (name: string) => root.child(name);
  const values = feedsOf(g, config, options);
  buildSegments(g, trainingSegments(config, { size: batch, padded: true }), values, scope, (name, value) => {
    if (name === 'llm/final_norm') values.set(name, value);
  });
  const states = values.get('llm/final_norm')!;
  const actionStates = values.get('states')!;
  const l1 = values.get('loss')!;
  g.output('predicted', values.get('predicted')!);

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
  const surprise = g.scale(g.total(found), -1 / batch);
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

/** What a policy with an L1 head and a state is fed in training. */
function feedsOf(g: GraphBuilder, config: PolicyConfig, { batch, tokens }: JointOptions): Map<string, Value> {
  const { network, profile } = config;
  const { hidden } = network.language;
  const images = profile.images.length;
  const side = network.vits[0]!.imageSize;
  const [chunk, dim] = [profile.chunkSize, profile.actions.length];
  const length = prefixTokens(config) + tokens;
  const table = [length, headDimOf(network.language) / 2];
  const shapes = {
    pixels: [batch * images, 3 * network.vits.length, side, side],
    state: [batch, profile.state!.length],
    bos: [batch, 1, hidden],
    text: [batch, tokens - 1, hidden],
    cos: table,
    sin: table,
    mask: [batch, 1, length, length],
    select: [batch, chunk * dim, length],
    target: [batch, chunk, dim],
  };
  return new Map(Object.entries(shapes).map(([name, shape]) => [name, g.input(name, shape)]));
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

/** Sum of |difference| where the mask is one. */
function masked(g: GraphBuilder, difference: Value, mask: Value): Value {
  return g.total(g.mul(g.abs(difference), mask));
}
