import { ModelError } from '../errors.ts';
import type { PolicyConfig } from './config.ts';

/** The token sequence of one prediction, and where things are in it. */
export interface Sequence {
  /** Prompt, empty token, one placeholder per action dimension of the chunk, stop token. */
  readonly inputIds: readonly number[];
  /** Range of the placeholders within `inputIds`. */
  readonly actions: { readonly start: number; readonly end: number };
}

/** Longer than any instruction of upstream's datasets by an order of magnitude, and short enough for every machine. */
const MAX_PROMPT_TOKENS = 512;

/**
 * Lays the sequence out as OpenVLAForActionPrediction.predict_action does.
 * @param promptIds tokens of the prompt, BOS first
 */
export function layoutSequence(promptIds: readonly number[], config: PolicyConfig): Sequence {
  const { tokens, profile } = config;
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
  const { empty } = tokens;
  const prompt = empty === null || promptIds.at(-1) === empty ? [...promptIds] : [...promptIds, empty];
  const count = profile.chunkSize * profile.actions.length;
  return {
    inputIds: [...prompt, ...Array.from({ length: count }, () => tokens.placeholder), tokens.stop],
    actions: { start: prompt.length, end: prompt.length + count },
  };
}

/**
 * Rows of the final hidden state that feed the action head. They sit one position early, starting on the empty token: a causal model
 * predicts the next token, and OFT kept that shift. `patchTokens` counts proprio and timestep tokens.
 */
export function actionRows(sequence: Sequence, patchTokens: number): { start: number; end: number } {
  return { start: patchTokens + sequence.actions.start - 1, end: patchTokens + sequence.actions.end - 1 };
}
