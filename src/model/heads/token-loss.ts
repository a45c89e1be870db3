/** What heads of action tokens share: logits of lm_head, and upstream's loss over them. */
import { finalRowsSegment, logitsSegment } from '../network/language-segments.ts';
import type { Segment } from '../network/segment.ts';
import { decodeActionTokens, encodeActionTokens } from './action-tokens.ts';
import { actionCount, type Given, type Head, type HeadConfig, type Targets } from './head.ts';
import { actionErrors, tokenAccuracies } from './measure.ts';

/** `predicted` are token ids [B, rows]. */
export const tokenHead = {
  lmHead: true,
  proprio: 'token',
  denoises: false,
  placed: null,
  stopInTraining: true,
  prefix: null,
  mark: null,
  loraAlpha: null,
  shapes: () => new Map(),
  embed: () => [],
  forward: ({ network }, { rows }) => [finalRowsSegment(network, rows), logitsSegment(), likeliestSegment],
  loss: () => crossEntropySegment,
  // The stop token behind the actions is learned, too.
  trainedRows: (config) => actionCount(config) + 1,
  draw: () => null,
  given: (config, targets) => ({ target: tokenTargets(config, targets) }),
  measure: (config, predicted, actions) => {
    const { tokens, actionBins } = config;
    const count = actionCount(config);
    const ids = encodeActionTokens(actions, tokens.vocabulary, actionBins);
    const found = predicted.filter((_, row) => row % (count + 1) < count);
    const decode = (of: ArrayLike<number>) => decodeActionTokens(of, tokens.vocabulary, actionBins);
    return { ...actionErrors(config, decode(found), decode(ids)), ...tokenAccuracies(config, found, ids) };
  },
} satisfies Omit<Head, 'generates' | 'decode'>;

const likeliestSegment: Segment = {
  key: 'likeliest token',
  prefix: '',
  inputs: { logits: 'logits' },
  outputs: { predicted: 'predicted' },
  stage: 'predicted_token_ids',
  build: (g, _, { logits }) => ({ predicted: g.argMax(logits!) }),
};

/** `logits` [B, rows, vocabulary] and ids `target` [B, rows] → `loss` [1], the mean over the rows. */
const crossEntropySegment: Segment = {
  key: 'cross-entropy',
  prefix: '',
  inputs: { logits: 'logits', target: 'target' },
  outputs: { loss: 'loss' },
  stage: 'loss',
  build: (g, _, { logits, target }) => ({ loss: g.mean(g.crossEntropy(logits!, target!)) }),
};

/** Each chunk's tokens, then the stop token. */
function tokenTargets(config: HeadConfig, { size, actions }: Targets): Given {
  const { tokens, actionBins } = config;
  const count = actionCount(config);
  const ids = encodeActionTokens(actions, tokens.vocabulary, actionBins);
  const rows = Array.from({ length: size }, (_, b) => [
    ...ids.slice(b * count, (b + 1) * count),
    tokens.stop,
  ]);
  return { data: Float32Array.from(rows.flat()), shape: [size, count + 1] };
}
