/** OpenVLA-OFT's L1RegressionActionHead: actions themselves, in one pass. */
import { finalRowsSegment } from '../network/language-segments.ts';
import { actionCount, type Head } from './head.ts';
import { actionErrors, UNMEASURED } from './measure.ts';
import { mlpResNetSegment, mlpResNetShapes } from './mlp-res-net.ts';
import { predictedIn } from './one-pass.ts';
import { chunks, meanAbsolute } from './regression.ts';

const PREFIX = 'action_head.model';

export const l1: Head = {
  lmHead: false,
  generates: false,
  proprio: 'token',
  denoises: false,
  placed: null,
  stopInTraining: true,
  prefix: PREFIX,
  mark: /^action_head\./,
  loraAlpha: null,
  shapes: (config) => mlpResNetShapes(config, PREFIX),
  embed: () => [],
  forward: (config, { rows }) => [finalRowsSegment(config.network, rows), mlpResNetSegment(config, PREFIX)],
  loss: () => meanAbsolute,
  trainedRows: actionCount,
  draw: () => null,
  given: (config, { actions }) => ({ target: chunks(config, actions) }),
  measure: (config, predicted, actions) => ({ ...UNMEASURED, ...actionErrors(config, predicted, actions) }),
  decode: (decoding) => predictedIn(decoding),
};
