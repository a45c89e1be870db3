/** PEFT's adapter_config.json: written as PEFT 0.11.1 does, read with nothing unknown that changes the mathematics. */
import * as v from 'valibot';
import { ModelError } from '../../base/errors.ts';
import type { LoraConfig } from './trained.ts';

const PATH = 'lora_adapter/adapter_config.json';

/**
 * The fields of PEFT 0.11.1's LoraConfig, no others: that version fails on a field it does not know (peft/config.py, `from_pretrained`).
 *
 * @param baseName what `base_model_name_or_path` says; PEFT loads nothing by it when the base is given
 */
export function adapterConfigJson(lora: LoraConfig, baseName: string): Record<string, unknown> {
  return {
    alpha_pattern: {},
    auto_mapping: {
      base_model_class: 'OpenVLAForActionPrediction',
      parent_library: 'prismatic.extern.hf.modeling_prismatic',
    },
    base_model_name_or_path: baseName,
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: 'gaussian',
    layer_replication: null,
    layers_pattern: null,
    layers_to_transform: null,
    loftq_config: {},
    lora_alpha: lora.alpha,
    lora_dropout: lora.dropout,
    megatron_config: null,
    megatron_core: 'megatron.core',
    modules_to_save: null,
    peft_type: 'LORA',
    r: lora.r,
    rank_pattern: {},
    revision: null,
    target_modules: [...lora.targetModules],
    task_type: null,
    use_dora: false,
    use_rslora: false,
  };
}

/** Fields that say nothing about what the adapter computes. */
const HARMLESS = new Set([
  'auto_mapping',
  'base_model_name_or_path',
  'inference_mode',
  'megatron_core',
  'peft_version',
  'qalora_group_size',
  'revision',
  'runtime_config',
  'task_type',
  // Which modules are adapted follows from the tensors.
  'exclude_modules',
]);

const schema = v.looseObject({
  peft_type: v.literal('LORA'),
  r: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_536)),
  lora_alpha: v.pipe(v.number(), v.finite(), v.gtValue(0)),
  lora_dropout: v.optional(v.pipe(v.number(), v.minValue(0), v.ltValue(1)), 0),
  target_modules: v.nullish(v.union([v.string(), v.array(v.string())])),
  init_lora_weights: v.optional(v.union([v.boolean(), v.string()]), true),
});
const USED = new Set(Object.keys(schema.entries));

export interface AdapterConfig {
  readonly r: number;
  readonly alpha: number;
  readonly dropout: number;
  /** Null where a pattern was given instead of names. */
  readonly targetModules: readonly string[] | null;
}

/**
 * @param json adapter_config.json of any version of PEFT
 * @throws ModelError `bad-file` for a config that is damaged, `unsupported` naming the field that asks for other than plain LoRA
 */
export function parseAdapterConfig(json: Readonly<Record<string, unknown>>): AdapterConfig {
  const type = json['peft_type'];
  if (typeof type === 'string' && type !== 'LORA') throw unsupported('peft_type', type);
  const parsed = v.safeParse(schema, json);
  if (!parsed.success) {
    const issue = parsed.issues[0];
    throw new ModelError('bad-file', `${PATH}: ${v.getDotPath(issue) ?? 'it'}: ${issue.message}.`);
  }
  for (const [field, value] of Object.entries(json)) {
    if (!USED.has(field) && !HARMLESS.has(field) && !isNeutral(value)) throw unsupported(field, value);
  }
  const {
    r,
    lora_alpha: alpha,
    lora_dropout: dropout,
    target_modules: targets,
    init_lora_weights: init,
  } = parsed.output;
  // Others (pissa, olora, loftq, …) change the base's weights, too.
  if (typeof init === 'string' && init !== 'gaussian') throw unsupported('init_lora_weights', init);
  return { r, alpha, dropout, targetModules: Array.isArray(targets) ? targets.toSorted() : null };
}

/** What a switch or an option of PEFT has while it is not used; a field of the future is refused unless it is unused. */
function isNeutral(value: unknown): boolean {
  if (value === null || value === undefined || value === false || value === 'none') return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

function unsupported(field: string, value: unknown): ModelError {
  return new ModelError(
    'unsupported',
    `${PATH} has "${field}": ${JSON.stringify(value)}; only plain LoRA is read (W + alpha / r · B · A, one rank for all).`,
    'Merge the adapter with PEFT in Python, then convert the merged checkpoint.',
  );
}
