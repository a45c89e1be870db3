/** What a value of 1 means, in words. */
import { MAX_ROTATION, MAX_TRANSLATION } from '../../practice/units.ts';

const WORDS: Readonly<Record<string, string>> = {
  m: 'metres',
  mm: 'millimetres',
  rad: 'radians',
  deg: 'degrees',
  'm/s': 'metres per second',
  'rad/s': 'radians per second',
};

/** The table's unit: shares of the largest step. */
const SCALED = 'scaled';

/** @param name of the dimension @param unit as the policy's profile has it */
export function unitWords(name: string, unit: string): string {
  if (unit === SCALED) {
    if (/^[xyz]$/.test(name)) return `1 = ${100 * MAX_TRANSLATION} cm`;
    if (name === 'yaw') return `1 = ${Math.round((180 / Math.PI) * MAX_ROTATION)}°`;
    return 'not used';
  }
  if (/^open.close$/.test(unit)) return '1 = open';
  return WORDS[unit] ?? unit;
}
