import { ModelError } from '../../base/errors.ts';
import { actionCount } from '../heads/head.ts';
import { headOf } from '../heads/index.ts';
import type { PolicyConfig } from './config.ts';

/** The token sequence of one sample, and where things are in it. */
export interface Sequence {
  /** Prompt, empty token, what stands for the actions, stop token: as far as the policy has them. */
  readonly inputIds: readonly number[];
  /** Range of the actions' placeholders within `inputIds`; empty for a policy that generates its actions. */
  readonly actions: { readonly start: number; readonly end: number };
}

/** Upstream lays training sequences out differently in places. */
export type Purpose = 'prediction' | 'training';

/** Longer than any instruction of upstream's datasets by an order of magnitude, and short enough for every machine. */
const MAX_PROMPT_TOKENS = 512;

/** Tokens that stand for actions in a sequence: one per action dimension of the chunk, or VLA-Adapter's action queries. */
export function actionTokens({ profile, bridge }: Pick<PolicyConfig, 'profile' | 'bridge'>): number {
  return bridge ? bridge.queries : actionCount({ profile });
}

/**
 * Lays the sequence out as OpenVLAForActionPrediction.predict_action does, or for training as RLDSBatchTransform does: with the empty token of its own
 * texts, for VLA-Adapter without the stop token, and for the original OpenVLA with places for the actions it is to generate.
 * @param promptIds tokens of the prompt, BOS first where the tokenizer has one
 */
export function layoutSequence(
  promptIds: readonly number[],
  config: PolicyConfig,
  purpose: Purpose = 'prediction',
): Sequence {
  const { tokens } = config;
  if (tokens.bos !== null && promptIds[0] !== tokens.bos) {
    throw new ModelError(
      'bad-input',
      `The prompt starts with token ${promptIds[0]}, expected BOS (${tokens.bos}).`,
    );
  }
  if (promptIds.length > MAX_PROMPT_TOKENS) {
    throw new ModelError(
      'bad-input',
      `The instruction makes a prompt of ${promptIds.length} tokens; at most ${MAX_PROMPT_TOKENS} are taken.`,
      'Say it in fewer words.',
    );
  }
  const highest = config.network.language.vocabulary;
  const unknown = promptIds.find((id) => !(id >= 0 && id < highest));
  if (unknown !== undefined) {
    throw new ModelError(
      'bad-package',
      `The tokenizer gave token ${unknown}; the policy knows 0…${highest - 1}.`,
    );
  }
  const empty = purpose === 'training' ? (tokens.emptyInTraining ?? tokens.empty) : tokens.empty;
  const prompt = empty === null || promptIds.at(-1) === empty ? [...promptIds] : [...promptIds, empty];
  const head = headOf(config);
  if (head.generates && purpose === 'prediction')
    return { inputIds: prompt, actions: { start: prompt.length, end: prompt.length } };
  const count = actionTokens(config);
  const stops = head.stopInTraining || purpose === 'prediction';
  return {
    inputIds: [
      ...prompt,
      ...Array.from({ length: count }, () => tokens.placeholder),
      ...(stops ? [tokens.stop] : []),
    ],
    actions: { start: prompt.length, end: prompt.length + count },
  };
}

/**
 * Rows of the final hidden state that feed the action head. They sit one position early, starting on the empty token: a causal model
 * predicts the next token, and OFT kept that shift. `prefix` counts what stands before the text (`prefixTokens`).
 */
export function actionRows(sequence: Sequence, prefix: number): { start: number; end: number } {
  return { start: prefix + sequence.actions.start - 1, end: prefix + sequence.actions.end - 1 };
}
