/** OpenVLA-OFT without a head beside the network: the tokens of a chunk of actions, all in one pass. */
import { decodeActionTokens } from './action-tokens.ts';
import type { Head } from './head.ts';
import { predictedIn } from './one-pass.ts';
import { tokenHead } from './token-loss.ts';

export const discrete: Head = {
  ...tokenHead,
  generates: false,
  decode: async (decoding) => {
    const { tokens, actionBins } = decoding.config;
    return decodeActionTokens(await predictedIn(decoding), tokens.vocabulary, actionBins);
  },
};
