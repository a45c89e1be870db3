/** `text_config` of config.json: what in it would change the mathematics, and is not computed here, is refused by field. */
import { ModelError } from '../../base/errors.ts';
import type { LanguageKind } from './language.ts';

export type TextConfig = Readonly<Record<string, unknown>>;

/** The language model of each of Prismatic's ids (LLM_BACKBONE_TO_HF_METACLASS), by which upstream chooses the class. */
const KINDS: readonly (readonly [RegExp, LanguageKind])[] = [
  [/^(llama2|vicuna)/, 'llama'],
  [/^mistral/, 'mistral'],
  [/^qwen2/, 'qwen2'],
];

const HOW_TO_GO_ON = 'Use a checkpoint whose language model is a plain LLaMA, Qwen2 or Mistral.';

/**
 * `text_config`, with the model type that follows from `llm_backbone_id` where it has none.
 * @throws ModelError `unsupported` where the two contradict each other: upstream goes by the id
 */
export function textConfigOf(config: TextConfig): TextConfig {
  const given = config['text_config'] ?? {};
  if (typeof given !== 'object' || Array.isArray(given))
    throw new ModelError('bad-file', 'config.json: "text_config" is not an object.');
  const text = given as TextConfig;
  const id = config['llm_backbone_id'];
  const known = KINDS.find(([pattern]) => pattern.test(String(id)))?.[1];
  const type = text['model_type'];
  if (type === undefined || type === null) return known ? { ...text, model_type: known } : text;
  if (known && type !== known) {
    throw new ModelError(
      'unsupported',
      `config.json: llm_backbone_id is ${JSON.stringify(id)}, a ${known}, but text_config.model_type is ${JSON.stringify(type)}.`,
      'Correct the one that is wrong; upstream goes by llm_backbone_id.',
    );
  }
  return text;
}

/** A field that is a number; `fallback` where it is absent. @throws ModelError `bad-file` */
export function numberIn(text: TextConfig, field: string, fallback: number): number {
  const value = text[field] ?? fallback;
  if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value;
  throw new ModelError(
    'bad-file',
    `config.json: text_config.${field} is ${JSON.stringify(value)}; a positive number is expected.`,
    'Copy or download config.json again.',
  );
}

/** `rope_theta`; transformers 5 writes it inside `rope_parameters`. @throws ModelError */
export function ropeTheta(text: TextConfig, fallback: number): number {
  const inside = text['rope_parameters'];
  const nested = typeof inside === 'object' && inside !== null ? (inside as TextConfig) : {};
  return numberIn({ rope_theta: text['rope_theta'] ?? nested['rope_theta'] }, 'rope_theta', fallback);
}

/**
 * @param found what the tensors say, by the fields of `text_config` that say the same
 * @throws ModelError `unsupported` for mathematics that is not computed here, `bad-shape` where config.json and weights contradict each other
 */
export function checkTextConfig(text: TextConfig, found: Readonly<Record<string, number>>): void {
  for (const field of ['rope_scaling', 'rope_parameters']) {
    if (!isPlainRope(text[field]))
      throw refused(field, text[field], 'scaled rotary embeddings are not computed');
  }
  const { hidden_act: act = 'silu', head_dim: headDim, partial_rotary_factor: part } = text;
  if (act !== 'silu' && act !== 'swish') throw refused('hidden_act', act, 'only silu is computed');
  if (text['use_mrope'] === true)
    throw refused('use_mrope', true, 'positions of several dimensions are not computed');
  if (part !== undefined && part !== null && part !== 1)
    throw refused('partial_rotary_factor', part, 'only whole heads are rotated');
  const wide = found['hidden_size']! / numberIn(text, 'num_attention_heads', 32);
  if (headDim !== undefined && headDim !== null && headDim !== wide)
    throw refused('head_dim', headDim, `heads of hidden_size / num_attention_heads = ${wide} are computed`);
  for (const [field, value] of Object.entries(found)) {
    const said = text[field];
    if (said === undefined || said === null || said === value) continue;
    throw new ModelError(
      'bad-shape',
      `config.json: text_config.${field} is ${JSON.stringify(said)}, but the weights have ${value}.`,
      'Take config.json and weights from the same checkpoint.',
    );
  }
}

/** Not there, or there and the default. */
function isPlainRope(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  if (typeof value !== 'object') return false;
  const { rope_type: type, type: older } = value as TextConfig;
  return (type ?? older ?? 'default') === 'default' && (value as TextConfig)['factor'] === undefined;
}

function refused(field: string, value: unknown, why: string): ModelError {
  return new ModelError(
    'unsupported',
    `config.json: text_config.${field} is ${JSON.stringify(value)}; ${why}.`,
    HOW_TO_GO_ON,
  );
}
