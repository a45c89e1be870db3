/** What a value of 1 means, in words. */
import type { PolicyInfo } from '../../workers/boundary/contract.ts';
import { isShippedPolicy } from '../url-state.ts';
import { MAX_ROTATION, MAX_TRANSLATION } from '../../practice/units.ts';

const WORDS: Readonly<Record<string, string>> = {
  m: 'metres',
  mm: 'millimetres',
  rad: 'radians',
  deg: 'degrees',
  'm/s': 'metres per second',
  'rad/s': 'radians per second',
};

/** Shares of a robot's largest step; how large that is only the table's is known to be. */
const SCALED = 'scaled';

/** Whose values they are: what a value means is known of the table's own robot, and what a gripper's says of a policy's own. */
export type ValuesOf = 'table' | 'package' | 'taught';

export function valuesOf({ adapted, package: { url } }: Pick<PolicyInfo, 'adapted' | 'package'>): ValuesOf {
  if (adapted) return 'taught';
  return isShippedPolicy(url) ? 'table' : 'package';
}

/** @param name of the dimension @param unit as the policy's profile has it */
export function unitWords(name: string, unit: string, of: ValuesOf): string {
  if (unit === SCALED && of === 'table') {
    if (/^[xyz]$/.test(name)) return `1 = ${100 * MAX_TRANSLATION} cm`;
    if (name === 'yaw') return `1 = ${Math.round((180 / Math.PI) * MAX_ROTATION)}°`;
    return 'not used';
  }
  // A dataset's gripper may say 1 for closed, or go from 0 to 100.
  if (/^open.close$/.test(unit) && of !== 'taught') return '1 = open';
  return WORDS[unit] ?? unit;
}
