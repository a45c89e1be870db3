/** A small policy with an L1 head as one graph, from pixels to upstream's loss: differentiated as a whole, nothing is computed twice. */
import type { GraphBuilder } from '../graph/builder.ts';
import type { Shape, Value } from '../graph/types.ts';
import { headDimOf } from '../network/decoder.ts';
import { decoderSegments, finalRowsSegment } from '../network/language-segments.ts';
import type { Scope } from '../network/scope.ts';
import { buildSegments } from '../network/segment.ts';
import { hasFilm, imageTokens, visionSegments } from '../network/vision.ts';
import type { PolicyConfig } from './config.ts';

export interface JointForwardOptions {
  readonly batch: number;
  /** Tokens of the text, BOS and padding included. */
  readonly tokens: number;
  /** Whether there is an input `mask`. */
  readonly masked: boolean;
}

export interface JointForward {
  /** Final hidden states [B, S, hidden]. */
  readonly states: Value;
  /** Those of the action rows [B, chunk · dim, hidden]. */
  readonly actionStates: Value;
  /** [B, chunk, dim], normalised. */
  readonly predicted: Value;
  /** [1]: nn.L1Loss of finetune.py. */
  readonly l1: Value;
}

/** Epsilon of torch.nn.LayerNorm. */
const HEAD_EPS = 1e-5;

/**
 * Inputs besides the weights: `pixels` [B · images, 3 · backbones, H, W], `proprio` [B, state] where the policy takes one, `language` [B, hidden]
 * with FiLM, `bos` [B, 1, hidden], `text` [B, T − 1, hidden], `mask` [B, 1, S, S], `select` [B, chunk · dim, S], `cos` and `sin`
 * [S, headDim / 2], `actions` [B, chunk, dim].
 */
export function jointForward(
  g: GraphBuilder,
  { network, profile }: PolicyConfig,
  scope: (name: string) => Scope,
  { batch, tokens, masked }: JointForwardOptions,
): JointForward {
  const { language, vits } = network;
  const { hidden } = language;
  const images = profile.images.length;
  const side = vits[0]!.imageSize;
  const [chunk, dim] = [profile.chunkSize, profile.actions.length];
  const state = profile.state?.length ?? 0;
  const length = imageTokens(network, images) + (state > 0 ? 1 : 0) + tokens;
  const half = headDimOf(language) / 2;

  const values = new Map<string, Value>();
  const feed = (name: string, shape: Shape) => values.set(name, g.input(name, shape));
  feed('pixels', [batch * images, 3 * vits.length, side, side]);
  if (hasFilm(network)) feed('language', [batch, hidden]);
  feed('bos', [batch, 1, hidden]);
  feed('text', [batch, tokens - 1, hidden]);
  if (state > 0) values.set('proprio', proprioToken(g, scope('proprio_projector'), [batch, state], hidden));
  feed('cos', [length, half]);
  feed('sin', [length, half]);
  const causal = language.attention === 'causal';
  if (causal || masked) feed('mask', [causal ? 1 : batch, 1, length, length]);
  feed('select', [batch, chunk * dim, length]);
  buildSegments(
    g,
    [
      ...visionSegments(network, { samples: batch }),
      ...decoderSegments(network, {
        parts: ['bos', 'patches', ...(state > 0 ? ['proprio'] : []), 'text'],
        placed: null,
        masked: causal || masked,
      }),
      finalRowsSegment(network, 'select'),
    ],
    values,
    scope,
    (name, value) => {
      if (name === 'llm/final_norm') values.set(name, value);
    },
  );
  const states = values.get('llm/final_norm')!;
  const actionStates = values.get('states')!;
  const predicted = resNet(
    g,
    scope('action_head.model'),
    g.reshape(actionStates, [batch, chunk, dim * hidden]),
  );
  const error = absolute(g, g.sub(predicted, g.input('actions', [batch, chunk, dim])));
  return { states, actionStates, predicted, l1: g.scale(total(g, error), 1 / (batch * chunk * dim)) };
}

/** ProprioProjector (openvla-oft prismatic/models/projectors.py), one token a sample. */
function proprioToken(
  g: GraphBuilder,
  scope: Scope,
  shape: readonly [number, number],
  hidden: number,
): Value {
  const inner = g.gelu(scope.linear('fc1', g.input('proprio', shape)));
  return g.reshape(scope.linear('fc2', inner), [shape[0], 1, hidden]);
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

export function absolute(g: GraphBuilder, x: Value): Value {
  return g.add(g.relu(x), g.relu(g.scale(x, -1)));
}

/** Sum of everything [1]. */
export function total(g: GraphBuilder, x: Value): Value {
  return g.reshape(
    g.reduceSum(
      x,
      x.shape.map((_, axis) => axis),
    ),
    [1],
  );
}
