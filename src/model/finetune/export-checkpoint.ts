/** A trained state as the folder that openvla-oft's finetune.py leaves (save_training_checkpoint), or merged into its base. */
import { ModelError } from '../../base/errors.ts';
import type { WeightSource } from '../network/loaded-weights.ts';
import { loraNames } from '../network/scope.ts';
import type { PolicyConfig } from '../policy/config.ts';
import { adaptedConfig, PROFILE_FILE } from '../policy/own-config.ts';
import { asPython } from '../policy/upstream-constants.ts';
import { mergeLora, type LoraPair } from '../weights/lora-merge.ts';
import {
  fromFile,
  safetensorsFile,
  shardedSafetensors,
  type WritableTensor,
} from '../weights/safetensors-writer.ts';
import type { TensorFile } from '../weights/tensor-file.ts';
import { torchArchive } from '../weights/torch-writer.ts';
import type { FolderFile } from '../weights/zip-folder.ts';
import { bytesSource } from '../weights/zip-writer.ts';
import { adapterConfigJson } from './adapter-config.ts';
import {
  adapterReadme,
  isQuantised,
  mergedReadme,
  tokenizerConfigJson,
  upstreamConfigJson,
} from './export-checkpoint-json.ts';
import { adapterTensors, baseTensors } from './export-checkpoint-tensors.ts';
import { withTiedHead } from './lora.ts';
import { moduleShapes } from '../policy/module-shapes.ts';
import type { TrainedState } from './trained.ts';
import { upstreamName } from './upstream-names.ts';

/** What a state was trained on. */
export interface ExportBase {
  readonly config: PolicyConfig;
  readonly source: WeightSource;
  /** What adapter_config.json names as its base, such as `openvla/openvla-7b`. */
  readonly name: string;
  /** tokenizer.json, where there is one. */
  readonly tokenizer?: Uint8Array | null;
  /** Upstream's config.json where it was kept; else it is made from `config`. */
  readonly upstreamConfig?: Readonly<Record<string, unknown>> | null;
}

export interface ExportOptions {
  /**
   * `float32` (default) writes every value as it is. `bfloat16` rounds what upstream keeps in bf16: LoRA, the base and the action head; the
   * projectors and FiLM stay float32.
   */
  readonly dtype?: 'float32' | 'bfloat16';
  /** Of a merged checkpoint; default 5 GB, as save_pretrained. */
  readonly maxShardBytes?: number;
}

const MODULE_FILES = ['action_head', 'proprio_projector', 'noisy_action_projector'] as const;
/** Part of the model in upstream's merged checkpoints; with an adapter a file of its own, which only ours have. */
const QUERIES = 'action_queries';
const EMBEDDING = 'language_model.model.embed_tokens.weight';
const LM_HEAD = 'language_model.lm_head.weight';
const VISION = 'vision_backbone.';
const FILM = /\.blocks\.\d+\.(scale|shift)\./;

/**
 * The files of `{run}--{step}_chkpt/`, and for another robot than the base's its profile, once for this page and once as the constants that openvla-oft
 * is edited with. Nothing is read of the base until a file's bytes are asked for.
 *
 * @throws ModelError `missing-tensor` or `bad-shape` where the state does not belong to the base
 */
export function exportCheckpoint(
  state: TrainedState,
  on: ExportBase,
  options: ExportOptions = {},
): FolderFile[] {
  const { own } = state;
  const base = { ...on, config: adaptedConfig(on.config, state) };
  checkBelongs(state, base);
  const files = [
    ...adapterFiles(state, base, options),
    ...moduleFiles(state, base, options),
    ...processorFiles(base),
    json('dataset_statistics.json', state.statistics),
    ...(base.upstreamConfig ? [json('config.json', base.upstreamConfig)] : []),
    ...(own ? [json(PROFILE_FILE, own), text('robot_constants.py', asPython(own.profile))] : []),
  ];
  return inFolder(state, files);
}

/**
 * A whole checkpoint with LoRA merged: model.safetensors (sharded where it is large), config.json and README.md beside the files of
 * `exportCheckpoint`, as upstream's folder after merge_lora_weights_and_save.py. With FiLM the vision backbone's LoRA is not merged there either: it
 * is in vision_backbone--N_checkpoint.pt. Rows are merged and dequantised as they are read.
 *
 * @throws as `exportCheckpoint`
 */
export function exportMerged(state: TrainedState, on: ExportBase, options: ExportOptions = {}): FolderFile[] {
  const base = { ...on, config: adaptedConfig(on.config, state) };
  checkBelongs(state, base);
  const { config, source } = base;
  const { dtype = 'float32', maxShardBytes } = options;
  const pairs = new Map<string, LoraPair>();
  for (const module of state.adapters.keys()) {
    // Under the heads whose embeddings are tied nothing reads lm_head; merged, its LoRA would change the embeddings.
    const tied = `${module}.weight` === LM_HEAD && !source.names.includes(LM_HEAD);
    if (!tied && !(hasFilm(config) && module.startsWith(VISION)))
      pairs.set(`${module}.weight`, loraNames(module));
  }
  const merged = mergeLora(baseTensors(source), adapterTensors(state), pairs, scalingOf(state));
  const queries = state.modules.get(`${QUERIES}.weight`);
  const own = new Set(source.names.filter((name) => !isOutside(name)));
  if (queries) own.add(`${QUERIES}.weight`);
  const model = shardedSafetensors(
    [...own].map((name) =>
      queries && name === `${QUERIES}.weight`
        ? ([name, queries] as const)
        : ([name, fromFile(merged, name)] as const),
    ),
    dtype,
    maxShardBytes,
  );
  // Of another robot the base's say nothing, and a reader takes the first.
  const statistics = state.own ? state.statistics : { ...on.config.statistics, ...state.statistics };
  const upstream = {
    ...(base.upstreamConfig ?? upstreamConfigJson(config, source, dtype)),
    norm_stats: statistics,
  };
  return [
    ...exportCheckpoint(state, { ...base, upstreamConfig: upstream }, options).filter(
      ({ path }) => !path.includes(`/${QUERIES}--`),
    ),
    ...inFolder(state, [
      ...model.map(({ path, source: bytes }) => ({ path, ...bytes })),
      text('README.md', mergedReadme(state, config, isQuantised(source))),
    ]),
  ];
}

/** `{run}--{step}_chkpt`, as finetune.py names it; characters that a path may not have become `-`. */
export function checkpointFolderName({ run, step }: Pick<TrainedState, 'run' | 'step'>): string {
  const safe = run.replace(/[^\p{L}\p{N}._+=@ -]+/gu, '-').replace(/^[. ]+/, '');
  return `${safe || 'run'}--${step}_chkpt`;
}

const hasFilm = (config: PolicyConfig): boolean => config.network.vits.some((vit) => vit.film);
const scalingOf = ({ lora }: TrainedState): number => (lora ? lora.alpha / lora.r : 1);

/** Weights that upstream keeps beside the model: the modules, and FiLM. */
export const isOutside = (name: string): boolean =>
  FILM.test(name) || MODULE_FILES.some((module) => name.startsWith(`${module}.`));

function adapterFiles(
  state: TrainedState,
  base: ExportBase,
  { dtype = 'float32' }: ExportOptions,
): FolderFile[] {
  const { lora } = state;
  if (!lora) return [];
  const film = hasFilm(base.config);
  const tensors = new Map<string, WritableTensor>();
  for (const [module, { a, b }] of state.adapters) {
    const names = loraNames(module);
    tensors.set(savedName(names.a, film), a);
    tensors.set(savedName(names.b, film), b);
  }
  // An adapted embedding layer is saved with its frozen weight (peft/utils/save_and_load.py, save_embedding_layers="auto").
  if (lora.targetModules.includes('lm_head') && state.adapters.has('language_model.lm_head')) {
    const tied = !base.source.names.includes(LM_HEAD);
    const weight = fromFile(baseTensors(base.source), tied ? EMBEDDING : LM_HEAD);
    tensors.set('base_model.model.language_model.lm_head.base_layer.weight', weight);
  }
  return [
    json('lora_adapter/adapter_config.json', adapterConfigJson(lora, base.name)),
    { path: 'lora_adapter/adapter_model.safetensors', ...safetensorsFile(tensors, dtype) },
    text('lora_adapter/README.md', adapterReadme(state, base.name, isQuantised(base.source))),
  ];
}

/** PEFT leaves the adapter's name out of what it saves. */
const savedName = (name: string, film: boolean): string => upstreamName(name, film).replace('.default.', '.');

function moduleFiles(
  state: TrainedState,
  base: ExportBase,
  { dtype = 'float32' }: ExportOptions,
): FolderFile[] {
  const wanted = [...moduleShapes(base.config).keys()];
  const files: FolderFile[] = [];
  const add = (
    module: string,
    tensors: Map<string, WritableTensor>,
    inBfloat16: (name: string) => boolean,
  ) => {
    const name = `${module}--${state.step}_checkpoint`;
    const dtypeOf = (tensor: string) => (dtype === 'bfloat16' && inBfloat16(tensor) ? 'bfloat16' : 'float32');
    files.push({ path: `${name}.pt`, ...torchArchive(tensors, { name, dtype: dtypeOf }) });
  };
  for (const module of [...MODULE_FILES, QUERIES]) {
    const names = wanted.filter((name) => name.startsWith(`${module}.`));
    if (names.length === 0) continue;
    // Saved through DDP, which puts `module.` in front.
    const tensors = names.map(
      (name) => [`module.${name.slice(module.length + 1)}`, state.modules.get(name)!] as const,
    );
    add(module, new Map(tensors), () => module === 'action_head' || module === QUERIES);
  }
  if (hasFilm(base.config)) add('vision_backbone', filmBackbone(state, base), (name) => !FILM.test(name));
  return files;
}

/** A name inside the wrapper of FiLM. */
const inside = (name: string): string => upstreamName(name, true).slice(`base_model.model.${VISION}`.length);

/** The backbone of FiLM whole: base, LoRA beside it and FiLM's own layers (film_vit_wrapper.py). */
function filmBackbone(state: TrainedState, base: ExportBase): Map<string, WritableTensor> {
  const file: TensorFile = baseTensors(base.source);
  const tensors = new Map<string, WritableTensor>();
  for (const name of base.source.names) {
    if (!name.startsWith(VISION) || FILM.test(name)) continue;
    const [, module = '', kind = ''] = /^(.+)\.(weight|bias)$/.exec(name) ?? [];
    const adapter = state.adapters.get(module);
    tensors.set(inside(adapter ? `${module}.base_layer.${kind}` : name), fromFile(file, name));
    if (adapter && kind === 'weight') {
      tensors.set(inside(loraNames(module).a), adapter.a);
      tensors.set(inside(loraNames(module).b), adapter.b);
    }
  }
  for (const [name, tensor] of state.modules) if (FILM.test(name)) tensors.set(inside(name), tensor);
  return tensors;
}

function processorFiles({ config, tokenizer }: ExportBase): FolderFile[] {
  const preprocessor = json('preprocessor_config.json', config.preprocessor);
  if (!tokenizer) return [preprocessor];
  return [
    preprocessor,
    { path: 'tokenizer.json', ...bytesSource(tokenizer) },
    json('tokenizer_config.json', tokenizerConfigJson(tokenizer)),
  ];
}

function checkBelongs(state: TrainedState, { config, source }: ExportBase): void {
  const shapes = withTiedHead(new Map(source.names.map((name) => [name, source.shapeOf(name)])));
  for (const [module, { a, b }] of state.adapters) {
    const shape = shapes.get(`${module}.weight`) ?? null;
    const fits =
      shape &&
      b.shape[0] === shape[0] &&
      a.shape.slice(1).join() === shape.slice(1).join() &&
      a.shape[0] === b.shape[1];
    if (!fits) {
      throw new ModelError(
        'bad-shape',
        `The adapter of "${module}" is [${a.shape.join(', ')}] and [${b.shape.join(', ')}]; the base's weight is ` +
          `${shape ? `[${shape.join(', ')}]` : 'not there'}.`,
        'Export with the policy that was trained.',
      );
    }
  }
  for (const [name, shape] of moduleShapes(config)) {
    const tensor = state.modules.get(name);
    if (tensor?.shape.join() === shape.join()) continue;
    throw new ModelError(
      'bad-shape',
      `"${name}" is ${tensor ? `[${tensor.shape.join(', ')}]` : 'missing'}; the policy has [${shape.join(', ')}].`,
      'Export with the policy that was trained.',
    );
  }
}

const inFolder = (state: TrainedState, files: readonly FolderFile[]): FolderFile[] =>
  files.map((file) => ({ ...file, path: `${checkpointFolderName(state)}/${file.path}` }));

const text = (path: string, content: string): FolderFile => ({
  path,
  ...bytesSource(new TextEncoder().encode(content)),
});

const json = (path: string, content: unknown): FolderFile =>
  text(path, `${JSON.stringify(content, null, 2)}\n`);
