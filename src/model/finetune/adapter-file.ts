/**
 * What a run trained as one safetensors file: for sharing, where nothing but numbers and text may travel. LoRA's factors are
 * `<module>.lora_A.weight` and `<module>.lora_B.weight`, modules have the package's names; the rest is metadata.
 */
import * as v from 'valibot';
import { ModelError } from '../errors.ts';
import type { Shape } from '../graph/types.ts';
import { datasetStatisticsSchema } from '../policy/statistics.ts';
import type { RandomAccess } from '../weights/random-access.ts';
import { openSafetensors, safetensorsMetadata } from '../weights/safetensors.ts';
import { safetensorsFile } from '../weights/safetensors-writer.ts';
import type { TensorFile } from '../weights/tensor-file.ts';
import type { ByteSource } from '../weights/zip-writer.ts';
import type { ImportBase } from './import-checkpoint.ts';
import { moduleShapes } from './modules-init.ts';
import type { HostTensor, TrainedState } from './trained.ts';

const FORMAT = 'openvla-web adapter';

const aboutSchema = v.object({
  run: v.pipe(v.string(), v.maxLength(300)),
  step: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  lora: v.nullable(
    v.object({
      r: v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(1024)),
      alpha: v.pipe(v.number(), v.finite(), v.minValue(0)),
      dropout: v.pipe(v.number(), v.minValue(0), v.maxValue(1)),
      targetModules: v.array(v.string()),
    }),
  ),
  statistics: v.record(v.string(), datasetStatisticsSchema),
});

/** float32, so that the predictions of both ends are the same to the bit. */
export function adapterFile({ run, step, lora, statistics, adapters, modules }: TrainedState): ByteSource {
  const tensors: [string, HostTensor][] = [...modules];
  for (const [module, { a, b }] of adapters)
    tensors.push([`${module}.lora_A.weight`, a], [`${module}.lora_B.weight`, b]);
  return safetensorsFile(tensors, 'float32', {
    format: FORMAT,
    about: JSON.stringify({ run, step, lora, statistics }),
  });
}

/**
 * @throws ModelError `bad-file` for a file that is no adapter of ours or is damaged, `bad-shape` where it belongs to another policy, `missing-statistics`;
 * nothing of it is used then
 */
export async function readAdapterFile(file: RandomAccess, base: ImportBase): Promise<TrainedState> {
  const about = aboutOf(await safetensorsMetadata(file));
  const { lora } = about;
  checkStatistics(about.statistics, base);
  const tensors = await openSafetensors(file);
  const expected = new Map<string, Shape>(moduleShapes(base.config));
  const modulesOfLora = new Set<string>();
  for (const name of tensors.entries.keys()) {
    const [, module] = /^(.+)\.lora_[AB]\.weight$/.exec(name) ?? [];
    if (!module) continue;
    const weight = base.shapes.get(`${module}.weight`);
    if (!weight || !lora) throw foreign(`it adapts "${module}", which this policy does not have`);
    modulesOfLora.add(module);
    expected.set(`${module}.lora_A.weight`, [lora.r, ...weight.slice(1)]);
    expected.set(`${module}.lora_B.weight`, [weight[0]!, lora.r, ...weight.slice(2).map(() => 1)]);
  }
  const read = (name: string) => readTensor(tensors, name, expected.get(name)!);
  for (const name of tensors.entries.keys())
    if (!expected.has(name)) throw foreign(`it has "${name}", which this policy does not have`);
  const modules = new Map<string, HostTensor>();
  for (const name of moduleShapes(base.config).keys()) modules.set(name, await read(name));
  const adapters = new Map<string, { a: HostTensor; b: HostTensor }>();
  for (const module of modulesOfLora)
    adapters.set(module, {
      a: await read(`${module}.lora_A.weight`),
      b: await read(`${module}.lora_B.weight`),
    });
  return { ...about, adapters, modules };
}

function aboutOf(metadata: ReadonlyMap<string, string>): v.InferOutput<typeof aboutSchema> {
  if (metadata.get('format') !== FORMAT) throw damaged('it was not written by this page');
  let json: unknown = null;
  try {
    json = JSON.parse(metadata.get('about') ?? '');
  } catch {
    // Told below, as everything else that does not fit.
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
  for (const [key, { action }] of keys) {
    if (action.q01.length === config.profile.actions.length) continue;
    throw foreign(
      `its statistics "${key}" have ${action.q01.length} action dimensions, the policy ${config.profile.actions.length}`,
    );
  }
}

async function readTensor(file: TensorFile, name: string, shape: Shape): Promise<HostTensor> {
  const entry = file.entries.get(name);
  if (!entry) throw damaged(`it lacks "${name}"`);
  if (entry.shape.join() !== shape.join())
    throw foreign(`"${name}" is [${entry.shape.join(', ')}], the policy needs [${shape.join(', ')}]`);
  const data = await file.readFloat32(name);
  if (!data.every((value) => Number.isFinite(value)))
    throw damaged(`"${name}" has values that are not finite`);
  return { shape, data };
}

function damaged(what: string): ModelError {
  return new ModelError(
    'bad-file',
    `This adapter cannot be read: ${what}.`,
    'Ask for the link again, or train it anew.',
  );
}

function foreign(what: string): ModelError {
  return new ModelError(
    'bad-shape',
    `This adapter belongs to another policy: ${what}.`,
    'Load the policy that it was trained on.',
  );
}
