/** What a fine-tuning run trains: LoRA factors and modules, with their starting values, and how many numbers that is. */
import * as v from 'valibot';
import { ModelError } from '../../base/errors.ts';
import type { Shape } from '../graph/types.ts';
import { headOf } from '../heads/index.ts';
import { isBound, isModuleWeight, type WeightSource } from '../network/loaded-weights.ts';
import { loraNames } from '../network/scope.ts';
import type { PolicyConfig } from '../policy/config.ts';
import { adaptedConfig, ownConfigSchema, type OwnConfig } from '../policy/own-config.ts';
import { Random } from '../../base/random.ts';
import { decodeFloat32 } from '../weights/encoding.ts';
import type { Checkpoint } from './checkpoints.ts';
import { initialLoraA, resolveLora, withTiedHead, type LoraModule, type LoraOptions } from './lora.ts';
import { initialModules } from './modules-init.ts';
import { moduleShapes } from '../policy/module-shapes.ts';
import type { HostTensor, LoraConfig, TrainedState } from './trained.ts';

export const GROUPS = [
  'lora',
  'action_head',
  'proprio_projector',
  'noisy_action_projector',
  'action_queries',
  'film',
] as const;
export type Group = (typeof GROUPS)[number];

export interface Parameters {
  readonly lora: LoraConfig | null;
  readonly modules: readonly LoraModule[];
  /** Trained, by name: `<module>.lora_A.weight`, `action_head.…`. */
  readonly trained: ReadonlyMap<string, HostTensor>;
  /** Adapted by PEFT, too, but without a gradient: kept for export. */
  readonly idle: ReadonlyMap<string, HostTensor>;
}

export interface ParameterOptions {
  /** Null trains the modules only. */
  readonly lora: LoraOptions | null;
  /** Start modules anew although the base has them. */
  readonly freshModules?: boolean;
  readonly seed: number;
}

/** Each family's own default of alpha: VLA-Adapter's finetune.py takes 2 r, OpenVLA's and OpenVLA-OFT's min(r, 16). */
export function loraOf(config: Pick<PolicyConfig, 'head'>, options: LoraOptions): LoraOptions {
  const { loraAlpha } = headOf(config);
  if (loraAlpha === null) return options;
  const { r = 32 } = options;
  return { ...options, r, alpha: options.alpha ?? loraAlpha * r };
}

/** Shape of every weight of a source. */
export function shapesOf(source: WeightSource): Map<string, Shape> {
  return new Map(source.names.map((name) => [name, source.shapeOf(name)]));
}

/**
 * Starting values: LoRA as PEFT's "gaussian", modules as the base has them, else as torch initialises them.
 * @throws ModelError `bad-input` for LoRA options that fit nothing
 */
export async function initialParameters(
  config: PolicyConfig,
  source: WeightSource,
  options: ParameterOptions,
): Promise<Parameters> {
  const shapes = shapesOf(source);
  const resolved = options.lora && resolveLora(shapes, loraOf(config, options.lora));
  const wanted = moduleShapes(config);
  const fresh = initialModules(wanted, new Random(options.seed, 1));
  const all = new Map<string, HostTensor>();
  for (const [i, module] of (resolved?.modules ?? []).entries()) {
    const { a, b } = loraNames(module.name);
    all.set(a, { shape: module.a, data: initialLoraA(module.a, new Random(options.seed, 2, i)) });
    all.set(b, { shape: module.b, data: new Float32Array(module.b.reduce((n, dim) => n * dim, 1)) });
  }
  for (const [name, shape] of wanted) {
    const known = shapes.get(name)?.join() === shape.join() && !options.freshModules;
    all.set(name, known ? { shape, data: decodeFloat32(await source.load(name)) } : fresh.get(name)!);
  }
  return { lora: resolved?.config ?? null, modules: resolved?.modules ?? [], ...divide(all, config) };
}

/**
 * The parameters as a run left them, to be trained on.
 * @param base configuration of the policy that they lie over
 * @throws ModelError `bad-shape` where they do not fit it
 */
export function continuedParameters(
  base: PolicyConfig,
  shapes: ReadonlyMap<string, Shape>,
  state: TrainedState,
): Parameters {
  const config = adaptedConfig(base, state);
  const all = new Map<string, HostTensor>();
  const modules: LoraModule[] = [];
  for (const [name, { a, b }] of state.adapters) {
    const weight = withTiedHead(shapes).get(`${name}.weight`);
    const fits = weight && a.shape.slice(1).join() === weight.slice(1).join() && b.shape[0] === weight[0];
    if (!fits) {
      throw new ModelError(
        'bad-shape',
        `The adapter of "${name}" is [${a.shape.join(', ')}] and [${b.shape.join(', ')}]; the policy's weight is ` +
          `${weight ? `[${weight.join(', ')}]` : 'not there'}.`,
        'The adapter belongs to another base.',
      );
    }
    modules.push({ name, a: a.shape, b: b.shape });
    all.set(loraNames(name).a, a);
    all.set(loraNames(name).b, b);
  }
  for (const [name, shape] of moduleShapes(config)) {
    const tensor = state.modules.get(name);
    if (tensor?.shape.join() !== shape.join()) {
      throw new ModelError(
        'bad-shape',
        `"${name}" is ${tensor ? `[${tensor.shape.join(', ')}]` : 'missing'}; the policy needs [${shape.join(', ')}].`,
        'The checkpoint belongs to another policy.',
      );
    }
    all.set(name, tensor);
  }
  return { lora: state.lora, modules, ...divide(all, config) };
}

/**
 * The parameters a checkpoint holds, for a trainer that then restores it.
 * @throws ModelError `bad-file` where it is not a checkpoint of a run, `bad-shape` where it belongs to another base
 */
export function checkpointParameters(
  config: PolicyConfig,
  shapes: ReadonlyMap<string, Shape>,
  checkpoint: Checkpoint,
): Parameters {
  return continuedParameters(config, shapes, checkpointState(checkpoint));
}

/** What a checkpoint has trained, for use without its optimiser. @throws ModelError as `checkpointParameters` */
export function trainedFromCheckpoint(
  config: PolicyConfig,
  shapes: ReadonlyMap<string, Shape>,
  checkpoint: Checkpoint,
): TrainedState {
  const state = checkpointState(checkpoint);
  continuedParameters(config, shapes, state);
  return state;
}

function checkpointState(checkpoint: Checkpoint): TrainedState {
  const parsed = v.safeParse(checkpointStateSchema, checkpoint.state);
  if (!parsed.success) {
    throw new ModelError(
      'bad-file',
      `The checkpoint of step ${checkpoint.step} has no usable "${v.getDotPath(parsed.issues[0]) ?? 'state'}".`,
      'It was written by another program; start the run anew.',
    );
  }
  const { own, lora, modules, statistics } = parsed.output;
  const values = new Map<string, HostTensor>();
  for (const [name, tensor] of checkpoint.tensors) {
    if (name.startsWith('parameter/')) values.set(name.slice('parameter/'.length), tensor);
  }
  const missing = modules
    .flatMap((name) => [loraNames(name).a, loraNames(name).b])
    .filter((part) => !values.has(part));
  if (missing.length > 0) {
    throw new ModelError('bad-file', `The checkpoint of step ${checkpoint.step} lacks "${missing[0]}".`);
  }
  const { run, step } = checkpoint;
  return trainedState(
    { run, step, own, statistics },
    { lora, modules: modules.map((name) => ({ name })) },
    values,
  );
}

const checkpointStateSchema = v.object({
  own: v.optional(v.nullable(ownConfigSchema), null),
  lora: v.nullable(
    v.object({ r: v.number(), alpha: v.number(), dropout: v.number(), targetModules: v.array(v.string()) }),
  ),
  modules: v.array(v.string()),
  statistics: v.record(v.string(), v.unknown()),
});

function divide(
  all: ReadonlyMap<string, HostTensor>,
  config: PolicyConfig,
): Pick<Parameters, 'trained' | 'idle'> {
  const needs = { lmHead: headOf(config).lmHead, lastBlock: false };
  const runs = (name: string) =>
    isBound(name.replace(/\.lora_[AB]\.weight$/, '.weight'), config.network, needs);
  const entries = [...all];
  return {
    trained: new Map(entries.filter(([name]) => runs(name))),
    idle: new Map(entries.filter(([name]) => !runs(name))),
  };
}

export function groupOf(name: string): Group {
  if (/\.lora_[AB]\.weight$/.test(name)) return 'lora';
  return isModuleWeight(name) ? (name.slice(0, name.indexOf('.')) as Group) : 'film';
}

export interface ParameterCount {
  /** Also those without a gradient, as PEFT counts. */
  readonly groups: Readonly<Record<Group, number>>;
  readonly trainable: number;
  /** Weights of the base. */
  readonly base: number;
}

const elements = (shape: Shape): number => shape.reduce((product, dim) => product * dim, 1);

/** Counts without making any value: what is shown before training. */
export function countParameters(
  config: PolicyConfig,
  shapes: ReadonlyMap<string, Shape>,
  lora: LoraOptions | null,
): ParameterCount {
  return tally(config, shapes, lora ? resolveLora(shapes, loraOf(config, lora)).modules : []);
}

/** The same for a run that goes on from what another left. @throws ModelError as `continuedParameters` */
export function countContinued(
  config: PolicyConfig,
  shapes: ReadonlyMap<string, Shape>,
  state: TrainedState,
): ParameterCount {
  return tally(adaptedConfig(config, state), shapes, continuedParameters(config, shapes, state).modules);
}

function tally(
  config: PolicyConfig,
  shapes: ReadonlyMap<string, Shape>,
  modules: readonly LoraModule[],
): ParameterCount {
  const groups = Object.fromEntries(GROUPS.map((group) => [group, 0])) as Record<Group, number>;
  for (const { a, b } of modules) groups.lora += elements(a) + elements(b);
  for (const [name, shape] of moduleShapes(config)) groups[groupOf(name)] += elements(shape);
  const trainable = Object.values(groups).reduce((sum, count) => sum + count, 0);
  let base = 0;
  for (const [name, shape] of shapes) {
    if (!isModuleWeight(name) && !/\.blocks\.\d+\.(scale|shift)\./.test(name)) base += elements(shape);
  }
  return { groups, trainable, base };
}

/** What a run has made, from current values by name. */
export function trainedState(
  of: { run: string; step: number; own: OwnConfig | null; statistics: Readonly<Record<string, unknown>> },
  parameters: { lora: LoraConfig | null; modules: readonly Pick<LoraModule, 'name'>[] },
  values: ReadonlyMap<string, HostTensor>,
): TrainedState {
  const adapters = new Map(
    parameters.modules.map(({ name }) => {
      const { a, b } = loraNames(name);
      return [name, { a: values.get(a)!, b: values.get(b)! }];
    }),
  );
  const modules = new Map([...values].filter(([name]) => groupOf(name) !== 'lora'));
  return { ...of, lora: parameters.lora, adapters, modules };
}
