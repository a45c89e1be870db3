import { policyConfigFromCheckpoint, type PolicyConfig } from '../../src/model/policy/config.ts';
import { fitDimensions, ROBOT_PROFILES } from '../../src/model/policy/robot-profiles.ts';
import type { Checkpoint } from '../../src/model/weights/checkpoint.ts';
import type { GoldenMeta } from './golden.ts';

/** The case's own constants: a golden folder may be another robot than its statistics' name tells. */
export function caseConfig(checkpoint: Checkpoint, meta: GoldenMeta, hasProprio: boolean): PolicyConfig {
  const { constants } = meta;
  const platform = meta.platform.toLowerCase();
  const base = policyConfigFromCheckpoint({
    config: checkpoint.config,
    preprocessor: checkpoint.preprocessor,
    statistics: checkpoint.statistics,
    shapes: new Map([...checkpoint.tensors.entries].map(([name, { shape }]) => [name, shape])),
    profile: Object.hasOwn(ROBOT_PROFILES, platform) ? platform : 'libero',
    images: meta.spec.n_img,
    centerCrop: meta.center_crop,
    unnormKey: meta.unnorm_key,
    decoding: meta.spec.mode === 'ar' ? 'autoregressive' : 'parallel',
  });
  const { bridge } = base;
  return {
    ...base,
    bridge: bridge && { ...bridge, taskTokens: constants.num_task_tokens ?? bridge.taskTokens },
    profile: {
      ...base.profile,
      chunkSize: constants.NUM_ACTIONS_CHUNK,
      actions: fitDimensions(base.profile.actions, constants.ACTION_DIM, 'action'),
      state: hasProprio ? fitDimensions(base.profile.state, constants.PROPRIO_DIM!, 'state') : null,
      normalization: constants.NORMALIZATION,
    },
    tokens: {
      ...base.tokens,
      empty: base.tokens.empty === null ? null : constants.EMPTY_TOKEN_ID,
      ...(base.tokens.emptyInTraining === undefined
        ? {}
        : { emptyInTraining: foldTokens([base.tokens.emptyInTraining], meta)[0]! }),
      placeholder: constants.PLACEHOLDER_TOKEN_ID ?? base.tokens.placeholder,
      stop: constants.STOP_INDEX,
      vocabulary: constants.BASE_VOCAB,
    },
  };
}

/** Cases with a small vocabulary fold the tokenizer's ids into it (meta.json: deviations). */
export function foldTokens(ids: readonly number[], { constants }: GoldenMeta): number[] {
  if (!constants.small_vocab_patched) return [...ids];
  const empty = constants.EMPTY_TOKEN_ID;
  return ids.map((id) => (id <= 2 ? id : id === 29871 ? empty : 3 + (id % (empty - 3))));
}
