/**
 * What a run trained as one safetensors file: for sharing, where nothing but numbers and text may travel. LoRA's factors are
 * `<module>.lora_A.weight` and `<module>.lora_B.weight`, modules have the package's names; the rest is metadata.
 */
import * as v from 'valibot';
import type { ByteReader } from '../../io/byte-reader.ts';
import { ModelError } from '../../base/errors.ts';
import { adaptedConfig, ownConfigSchema } from '../policy/own-config.ts';
import { DuplicateKeyError, parseStrictJson } from '../../base/strict-json.ts';
import { datasetStatisticsSchema } from '../policy/statistics.ts';
import { openSafetensors } from '../weights/safetensors.ts';
import { safetensorsFile } from '../weights/safetensors-writer.ts';
import type { ByteSource } from '../weights/zip-writer.ts';
import { moduleShapes } from '../policy/module-shapes.ts';
import { checkActions, readModules, readPairs, type ImportBase } from './read-trained.ts';
import type { HostTensor, TrainedState } from './trained.ts';

const FORMAT = 'openvla-web adapter';
/** What messages call the file. */
const TITLE = 'The adapter';
/** Of its description; statistics of a robot with 14 dimensions take 3 kB. */
const MAX_ABOUT_CHARACTERS = 2 ** 20;

const aboutSchema = v.object({
  run: v.pipe(v.string(), v.maxLength(300)),
  step: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  lora: v.nullable(
    v.object({
      r: v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(1024)),
      alpha: v.pipe(v.number(), v.finite(), v.minValue(0)),
      dropout: v.pipe(v.number(), v.minValue(0), v.maxValue(1)),
      targetModules: v.pipe(v.array(v.pipe(v.string(), v.maxLength(300))), v.maxLength(4000)),
    }),
  ),
  statistics: v.record(v.string(), datasetStatisticsSchema),
  /** Files from before adapters had a robot of their own lack it. */
  own: v.optional(v.nullable(ownConfigSchema), null),
});

/** float32, so that the predictions of both ends are the same to the bit. */
export function adapterFile({
  run,
  step,
  own,
  lora,
  statistics,
  adapters,
  modules,
}: TrainedState): ByteSource {
  const tensors: [string, HostTensor][] = [...modules];
  for (const [module, { a, b }] of adapters)
    tensors.push([`${module}.lora_A.weight`, a], [`${module}.lora_B.weight`, b]);
  return safetensorsFile(tensors, 'float32', {
    format: FORMAT,
    about: JSON.stringify({ run, step, lora, statistics, ...(own ? { own } : {}) }),
  });
}

/**
 * @throws ModelError `bad-file` for a file that is not an adapter of ours or is damaged, `bad-shape` where it belongs to another policy, `missing-statistics`;
 * nothing of it is used then
 */
export async function readAdapterFile(file: ByteReader, on: ImportBase): Promise<TrainedState> {
  const tensors = await openSafetensors(file);
  const about = aboutOf(tensors.metadata);
  const base = { ...on, config: adaptedConfig(on.config, about) };
  checkStatistics(about.statistics, base);
  const factors = new Map<string, string>();
  const names = new Map<string, string>();
  for (const name of tensors.entries.keys())
    (/.\.lora_[AB]\.weight$/.test(name) ? factors : names).set(name, name);
  const { lora } = about;
  if (factors.size > 0 && !lora) throw damaged('it has LoRA weights, but does not say of which rank');
  const opened = { tensors, title: TITLE };
  const adapters = lora ? await readPairs(opened, factors, base, lora.r) : new Map();
  const modules = await readModules(opened, names, base);
  for (const name of moduleShapes(base.config).keys())
    if (!modules.has(name)) throw damaged(`it lacks "${name}"`);
  return { ...about, adapters, modules };
}

function aboutOf(metadata: ReadonlyMap<string, string>): v.InferOutput<typeof aboutSchema> {
  if (metadata.get('format') !== FORMAT) throw damaged('it was not written by this page');
  const text = metadata.get('about') ?? '';
  if (text.length > MAX_ABOUT_CHARACTERS)
    throw damaged(`its description has ${text.length} characters, and ${MAX_ABOUT_CHARACTERS} is the most`);
  let json: unknown = null;
  try {
    json = parseStrictJson(text);
  } catch (error) {
    // The rest is told below, as everything else that does not fit.
    if (error instanceof DuplicateKeyError) throw damaged(error.message);
  }
  const parsed = v.safeParse(aboutSchema, json);
  if (parsed.success) return parsed.output;
  throw damaged(`${v.getDotPath(parsed.issues[0]) ?? 'its description'}: ${parsed.issues[0].message}`);
}

function checkStatistics(
  statistics: v.InferOutput<typeof aboutSchema>['statistics'],
  { config }: ImportBase,
): void {
  const keys = Object.entries(statistics);
  if (keys.length === 0) {
    throw new ModelError(
      'missing-statistics',
      'The adapter has no statistics; actions cannot be un-normalised without.',
      'Share it again from the page it was trained in.',
    );
  }
  for (const [key, value] of keys) checkActions(TITLE, key, value, config);
}

function damaged(what: string): ModelError {
  return new ModelError(
    'bad-file',
    `This adapter cannot be read: ${what}.`,
    'Ask for the link again, or train it anew.',
  );
}
