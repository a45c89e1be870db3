/** Upstream checkpoint folders: Hugging Face (with OFT's extra modules) and Prismatic. */
import type { ByteReader } from '../../io/byte-reader.ts';
import type { Folder } from '../../io/folder.ts';
import { withoutLfsPointers } from '../../io/git-lfs.ts';
import { parsePythonJson } from '../../io/python-json.ts';
import { ModelError } from '../../base/errors.ts';
import { findModules, type ModuleFile } from './checkpoint-modules.ts';
import { mergeLora, type LoraPair } from './lora-merge.ts';
import { huggingFaceConfig } from './prismatic-config.ts';
import { prismaticToHf } from './prismatic-keys.ts';
import { openSafetensors, openSharded } from './safetensors.ts';
import { overlay, renamed, type TensorFile } from './tensor-file.ts';
import { openTorchArchive } from './torch-archive.ts';

/** A folder whose files are known. Paths use `/`. */
export interface CheckpointFolder {
  readonly name?: string;
  readonly files: readonly string[];
  open(path: string): Promise<ByteReader>;
  /** SHA-256 of files, hex, by path, where their place says so. */
  readonly hashes?: ReadonlyMap<string, string>;
}

/**
 * A directory, a zip or a Hub repository as a checkpoint's folder.
 * @throws ModelError `unsupported` for a place that cannot list its files
 */
export async function checkpointFolder(folder: Folder): Promise<CheckpointFolder> {
  const files = await folder.list();
  if (files) {
    return {
      name: folder.name,
      files,
      open: (path) => withoutLfsPointers(folder).open(path),
      ...(folder.hashes ? { hashes: folder.hashes } : {}),
    };
  }
  throw new ModelError(
    'unsupported',
    `${folder.name} cannot list its files, so that what the checkpoint holds is not known.`,
    'Give a folder, a zip or a Hub repository.',
  );
}

type Json = Record<string, unknown>;

export interface Checkpoint {
  /** Every tensor under the name the rest of the library uses; external modules carry their module's name in front. */
  readonly tensors: TensorFile;
  readonly config: Json;
  readonly preprocessor: Json | null;
  readonly statistics: Json | null;
  /** modeling_prismatic.py, the checkpoint's own code, where the folder has it. */
  readonly modelingCode: string | null;
  /** robot_profile.json, which our exports have: what the weights were trained as. */
  readonly robotProfile: Json | null;
  /** Path of tokenizer.json, if the folder has one. */
  readonly tokenizer: string | null;
}

/** VLA-Adapter's action queries lie in the model; a file of their own, as our exports have, is newer. */
const MODULES = ['action_head', 'proprio_projector', 'noisy_action_projector', 'action_queries'] as const;
const PRISMATIC = 'checkpoints/latest-checkpoint.pt';
const ADAPTER = 'lora_adapter/adapter_model.safetensors';
const MAX_JSON_BYTES = 64 * 2 ** 20;
const MAX_CODE_BYTES = 2 ** 20;

/** @throws ModelError that names what the folder lacks, or which file is damaged. */
export async function openCheckpoint(folder: CheckpointFolder): Promise<Checkpoint> {
  const config = await readJson(folder, 'config.json');
  if (!config)
    throw new ModelError(
      'bad-file',
      'The folder has no config.json.',
      'Choose the folder that holds the checkpoint.',
    );
  const prismatic = prismaticFile(folder.files);
  const base = prismatic ? await openPrismatic(folder, prismatic) : await openHuggingFace(folder);
  const modules: TensorFile[] = [];
  for (const module of MODULES) {
    const file = await openModule(folder, module);
    if (file) modules.push(renamed(file, (name) => `${module}.${name.replace(/^module\./, '')}`));
  }
  const vision = await openFilmBackbone(folder);
  if (!vision) await refuseLostFilm(folder);
  const backbone = vision
    ? renamed(base, (name) => (name.startsWith('vision_backbone.') ? null : name))
    : base;
  return {
    tensors: overlay(backbone, ...(vision ? [vision] : []), ...modules),
    config: prismatic ? huggingFaceConfig(config, base.entries.keys()) : config,
    preprocessor: await readJson(folder, 'preprocessor_config.json'),
    statistics: await readJson(folder, 'dataset_statistics.json'),
    modelingCode: await readCode(folder),
    robotProfile: await readJson(folder, 'robot_profile.json'),
    tokenizer: folder.files.includes('tokenizer.json') ? 'tokenizer.json' : null,
  };
}

/** `latest-checkpoint.pt`, or the last of `step-295000-epoch-40-loss=0.2200.pt` and its like, as published ones are called. */
function prismaticFile(files: readonly string[]): string | null {
  if (files.includes(PRISMATIC)) return PRISMATIC;
  const steps = files.flatMap((path) => {
    const step = /^checkpoints\/step-(\d+)[^/]*\.pt$/.exec(path)?.[1];
    return step === undefined ? [] : [{ path, step: Number(step) }];
  });
  return steps.toSorted((a, b) => b.step - a.step)[0]?.path ?? null;
}

async function openPrismatic(folder: CheckpointFolder, path: string): Promise<TensorFile> {
  const file = renamed(await openTorchArchive(await folder.open(path)), prismaticToHf);
  if (file.entries.size === 0) {
    throw new ModelError('bad-file', `${path} holds none of projector, llm_backbone, vision_backbone.`);
  }
  return file;
}

/** transformers' files, in the order in which `from_pretrained` looks for them. */
async function openHuggingFace(folder: CheckpointFolder): Promise<TensorFile> {
  if (folder.files.includes('adapter_config.json')) {
    throw new ModelError(
      'unsupported',
      'The folder has adapter_config.json beside the model: transformers would lay that LoRA adapter over the model it names.',
      'Merge it with PEFT first; or, where the model has it already, move adapter_config.json and its weights into lora_adapter/.',
    );
  }
  const file = await openWeights(folder);
  const adapted = [...file.entries.keys()].find((name) =>
    /^base_model\.|\.lora_[AB]\.|\.base_layer\./.test(name),
  );
  if (adapted !== undefined) {
    throw new ModelError(
      'unsupported',
      `The model's weights hold "${adapted}": a LoRA adapter that is not merged.`,
      'Merge it first, as vla-scripts/merge_lora_weights_and_save.py does.',
    );
  }
  return renamed(file, layerScaleName);
}

/** timm calls LayerScale's factor gamma; upstream renames it, because transformers of that time would have (modeling_prismatic.py, ls_apply_patch). */
function layerScaleName(name: string): string {
  return name.replace(/^(vision_backbone\..*\.ls[12])\.gamma$/, '$1.scale_factor');
}

async function openWeights(folder: CheckpointFolder): Promise<TensorFile> {
  for (const [path, open] of [
    ['model.safetensors', openSafetensors],
    ['pytorch_model.bin', openTorchArchive],
  ] as const) {
    if (folder.files.includes(path)) return open(await folder.open(path));
    const index = await readJson(folder, `${path}.index.json`);
    if (index) return openSharded(index, async (shard) => open(await openListed(folder, shard)));
  }
  throw new ModelError(
    'bad-file',
    `The folder has neither model.safetensors, nor model.safetensors.index.json, nor ${PRISMATIC}.`,
    folder.files.includes(ADAPTER)
      ? 'It holds a LoRA adapter only: merge it with vla-scripts/merge_lora_weights_and_save.py first.'
      : 'Choose a Hugging Face or Prismatic checkpoint folder.',
  );
}

async function openListed(folder: CheckpointFolder, path: string): Promise<ByteReader> {
  if (folder.files.includes(path)) return folder.open(path);
  throw new ModelError(
    'bad-file',
    `The index of the weights names ${path}, which is not in the folder.`,
    'Download the missing file.',
  );
}

/** The newest of finetune.py's files, or `<module>.safetensors`. */
async function openModule(folder: CheckpointFolder, module: ModuleFile): Promise<TensorFile | null> {
  const newest = findModules(folder.files).get(module);
  if (newest) return openTorchArchive(await folder.open(newest.path));
  const plain = `${module}.safetensors`;
  return folder.files.includes(plain) ? openSafetensors(await folder.open(plain)) : null;
}

/**
 * The vision backbone that FiLM training saves apart: blocks wrapped as `blocks.N.block`, LoRA not merged
 * (`base_layer`, `lora_A.default`, `lora_B.default`). Upstream runs it with the adapter active, so it is merged here.
 */
async function openFilmBackbone(folder: CheckpointFolder): Promise<TensorFile | null> {
  const file = await openModule(folder, 'vision_backbone');
  if (!file) return null;
  const base = renamed(file, (name) => (name.includes('.lora_') ? null : layerScaleName(plainName(name))));
  const pairs = new Map<string, LoraPair>();
  const adapters = new Set<string>();
  const ranks = new Set<number>();
  for (const [name, { shape }] of file.entries) {
    if (!name.includes('.lora_')) continue;
    const [, module, factor, adapter] = /^(.+)\.lora_([AB])\.(\w+)\.weight$/.exec(name) ?? [];
    if (module === undefined || adapters.add(adapter!).size > 1) {
      throw new ModelError(
        'unsupported',
        `The file of the vision backbone holds "${name}"; only the factors of one plain LoRA are merged.`,
        'Merge the adapter with PEFT first.',
      );
    }
    if (factor === 'B') continue;
    pairs.set(plainName(`${module}.weight`), { a: name, b: name.replace('.lora_A.', '.lora_B.') });
    ranks.add(shape[0]!);
  }
  return pairs.size === 0 ? base : mergeLora(base, file, pairs, await loraScaling(folder, ranks));
}

/** A folder without FiLM's file whose adapter was trained with FiLM: without it, the policy would not see what it is told. */
async function refuseLostFilm(folder: CheckpointFolder): Promise<void> {
  if (!folder.files.includes(ADAPTER)) return;
  const { entries } = await openSafetensors(await folder.open(ADAPTER));
  const wrapped = [...entries.keys()].find((name) => /\.blocks\.\d+\.block\./.test(name));
  if (wrapped === undefined) return;
  throw new ModelError(
    'bad-file',
    `${ADAPTER} was trained with FiLM (it has "${wrapped}"), but the folder has no vision_backbone--N_checkpoint.pt.`,
    'Copy the whole folder: upstream keeps FiLM’s layers in that file alone.',
  );
}

/** A name of the FiLM backbone's file as the unwrapped, unadapted backbone has it. */
function plainName(name: string): string {
  return `vision_backbone.${name.replace(/^(module\.)?(vision_backbone\.)?/, '')}`
    .replace(/\.blocks\.(\d+)\.block\./, '.blocks.$1.')
    .replace('.base_layer.', '.');
}

/** lora_alpha / r of the adapter's config; without one, finetune.py's min(r, 16) / r. */
async function loraScaling(folder: CheckpointFolder, ranks: ReadonlySet<number>): Promise<number> {
  const path = 'lora_adapter/adapter_config.json';
  const [rank = 0] = ranks;
  const config = (await readJson(folder, path)) ?? { lora_alpha: Math.min(rank, 16), r: rank };
  const alpha = Number(config['lora_alpha']);
  const r = Number(config['r']);
  const refused = (what: string) =>
    new ModelError('unsupported', `${path} ${what}.`, 'Merge the adapter with PEFT first.');
  for (const field of ['use_dora', 'use_rslora', 'rank_pattern', 'alpha_pattern']) {
    const value = config[field] ?? false;
    if (value !== false && (typeof value !== 'object' || Object.keys(value).length > 0))
      throw refused(
        `has "${field}": ${JSON.stringify(value)}; only lora_alpha / r is computed, the same for all layers`,
      );
  }
  if (!(alpha > 0) || !(r > 0)) throw refused(`asks for a scaling of lora_alpha / r = ${alpha} / ${r}`);
  const other = [...ranks].find((found) => found !== r);
  if (other !== undefined)
    throw refused(`says r = ${r}, but the vision backbone’s file has factors of rank ${other}`);
  return alpha / r;
}

async function readJson(folder: CheckpointFolder, path: string): Promise<Json | null> {
  if (!folder.files.includes(path)) return null;
  const file = await folder.open(path);
  if (file.byteLength > MAX_JSON_BYTES)
    throw new ModelError(
      'bad-file',
      `${path} has ${file.byteLength} bytes, far more than any configuration.`,
    );
  const text = new TextDecoder().decode(await file.slice(0, file.byteLength));
  const json = parsePythonJson(text, path);
  if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json as Json;
  throw new ModelError('bad-file', `${path} is not a JSON object.`, 'Copy or download the file again.');
}

async function readCode(folder: CheckpointFolder): Promise<string | null> {
  const path = 'modeling_prismatic.py';
  if (!folder.files.includes(path)) return null;
  const file = await folder.open(path);
  return new TextDecoder().decode(await file.slice(0, Math.min(file.byteLength, MAX_CODE_BYTES)));
}
