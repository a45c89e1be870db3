/** The original OpenVLA: action tokens one after the other, greedily over the whole padded vocabulary. */
import { ModelError } from '../../base/errors.ts';
import { argmaxRows, decodeActionTokens } from './action-tokens.ts';
import type { Decoding, Head } from './head.ts';
import { tokenHead } from './token-loss.ts';

export const autoregressive: Head = { ...tokenHead, generates: true, decode };

/** @throws ModelError `unsupported` where the policy ends its answer early; upstream goes on with the end of the prompt as actions */
async function decode({ config, generate, runtime, trace }: Decoding): Promise<number[]> {
  const { tokens, actionBins, profile, network } = config;
  const count = profile.actions.length;
  const ids = await generate(count, (logits) => {
    const [id] = argmaxRows(logits, network.language.vocabulary);
    return id === tokens.stop ? null : id!;
  });
  if (ids.length < count) {
    throw new ModelError(
      'unsupported',
      `The policy ended its answer after ${ids.length} of ${count} action tokens: it does not know what to do.`,
      'Word the instruction as in the data the policy was trained on.',
    );
  }
  if (trace) {
    const made = runtime.upload(Float32Array.from(ids), [1, count]);
    await trace('predicted_token_ids', made);
    made.dispose();
  }
  return decodeActionTokens(ids, tokens.vocabulary, actionBins);
}
