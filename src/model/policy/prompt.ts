import { backboneOf, type LanguageKind } from '../network/language.ts';

/** The prompt of upstream's evaluation (openvla_utils.get_vla_action), in the form the language model was taught with. */
export function promptFor(instruction: string, language: LanguageKind = 'llama'): string {
  return backboneOf(language).prompt(instruction);
}
