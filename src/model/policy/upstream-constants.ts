/** A profile as openvla-oft's constants, which its Python code is edited with for a new robot (prismatic/vla/constants.py). */
import type { RobotProfile } from './robot-profiles.ts';

export interface UpstreamConstants {
  readonly NUM_ACTIONS_CHUNK: number;
  readonly ACTION_DIM: number;
  /** 8 is upstream's default; a policy without state ignores it. */
  readonly PROPRIO_DIM: number;
  readonly ACTION_PROPRIO_NORMALIZATION_TYPE: 'bounds' | 'bounds_q99';
}

export function upstreamConstants(profile: RobotProfile): UpstreamConstants {
  return {
    NUM_ACTIONS_CHUNK: profile.chunkSize,
    ACTION_DIM: profile.actions.length,
    PROPRIO_DIM: profile.state?.length ?? profile.actions.length,
    ACTION_PROPRIO_NORMALIZATION_TYPE: profile.normalization,
  };
}

/** The entry to add to constants.py. */
export function asPython(profile: RobotProfile): string {
  const constants = upstreamConstants(profile);
  const name = profile.name
    .normalize('NFKD')
    .replaceAll(/[^A-Za-z0-9]+/g, '_')
    .replace(/^(\d)/, '_$1')
    .toUpperCase();
  const normalization = constants.ACTION_PROPRIO_NORMALIZATION_TYPE.toUpperCase();
  return [
    `${name}_CONSTANTS = {`,
    `    "NUM_ACTIONS_CHUNK": ${constants.NUM_ACTIONS_CHUNK},`,
    `    "ACTION_DIM": ${constants.ACTION_DIM},`,
    `    "PROPRIO_DIM": ${constants.PROPRIO_DIM},`,
    `    "ACTION_PROPRIO_NORMALIZATION_TYPE": NormalizationType.${normalization},`,
    '}',
    '',
  ].join('\n');
}
