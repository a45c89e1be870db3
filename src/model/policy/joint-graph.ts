/** A small policy with an L1 head as one graph, from pixels to upstream's loss: differentiated as a whole, nothing is computed twice. */
import type { GraphBuilder } from '../graph/builder.ts';
import type { Value } from '../graph/types.ts';
import { headDimOf, patchesOf } from '../network/config.ts';
import { llamaBlocks, llamaFinalNorm } from '../network/llama.ts';
import type { Scope } from '../network/scope.ts';
import { visionGraph } from '../network/vision.ts';
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

const quiet = () => undefined;
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
  const { llama, vits } = network;
  const { hidden } = llama;
  const images = profile.images.length;
  const side = vits[0]!.imageSize;
  const [chunk, dim] = [profile.chunkSize, profile.actions.length];
  const state = profile.state?.length ?? 0;
  const length = images * patchesOf(vits[0]!) + (state > 0 ? 1 : 0) + tokens;
  const film = vits.some((vit) => vit.film);

  const patches = visionGraph(
    g,
    network,
    scope,
    g.input('pixels', [batch * images, 3 * vits.length, side, side]),
    { language: film ? g.input('language', [batch, hidden]) : undefined, samples: batch, tap: quiet },
  );
  const bos = g.input('bos', [batch, 1, hidden]);
  const text = g.input('text', [batch, tokens - 1, hidden]);
  const proprio = state > 0 ? [proprioToken(g, scope('proprio_projector'), [batch, state], hidden)] : [];
  const rope = {
    cos: g.input('cos', [length, headDimOf(llama) / 2]),
    sin: g.input('sin', [length, headDimOf(llama) / 2]),
  };
  const mask = masked ? g.input('mask', [batch, 1, length, length]) : undefined;
  const model = scope('language_model.model');
  const x = g.concat([bos, patches, ...proprio, text], 1);
  const states = llamaFinalNorm(g, llama, model, llamaBlocks(g, llama, model, x, rope, mask, quiet));
  const actionStates = g.matMul(g.input('select', [batch, chunk * dim, length]), states);
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
