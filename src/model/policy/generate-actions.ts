import { ModelError } from '../errors.ts';
import type { Network } from '../network/network.ts';
import type { TokenEmbedding } from '../network/token-embedding.ts';
import type { Tensor } from '../runtime/runtime.ts';
import { argmaxRows } from './action-tokenizer.ts';
import type { PolicyConfig } from './config.ts';

interface Generating {
  readonly config: PolicyConfig;
  readonly network: Network;
  readonly embedding: TokenEmbedding;
}

/**
 * The original OpenVLA's predict_action: action tokens one after the other, greedily over the whole padded vocabulary.
 * @param parts of the prompt [1, n, hidden]: first token, patches, the rest
 * @throws ModelError `unsupported` where the policy ends its answer early; upstream goes on with the end of the prompt as actions
 */
export async function generateActions(
  { config, network, embedding }: Generating,
  [bos, patches, prompt]: readonly [Tensor, Tensor, Tensor],
): Promise<number[]> {
  const count = config.profile.actions.length;
  const ids = await network.generate(
    { bos, patches, extra: [], text: [prompt] },
    {
      count,
      embed: (id) => embedding.rows([id]),
      choose: (logits) => {
        const [id] = argmaxRows(logits, config.network.language.vocabulary);
        return id === config.tokens.stop ? null : id!;
      },
    },
  );
  if (ids.length === count) return ids;
  throw new ModelError(
    'unsupported',
    `The policy ended its answer after ${ids.length} of ${count} action tokens: it does not know what to do.`,
    'Word the instruction as in the data the policy was trained on.',
  );
}
