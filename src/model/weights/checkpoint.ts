/** Upstream checkpoint folders: Hugging Face (with OFT's extra modules) and Prismatic. */
import type { ByteReader } from '../../io/byte-reader.ts';
import type { Folder } from '../../io/folder.ts';
import { withoutLfsPointers } from '../../io/git-lfs.ts';
import { parsePythonJson } from '../../io/python-json.ts';
import { ModelError } from '../../base/errors.ts';
import { findModules, type ModuleFile } from './checkpoint-modules.ts';
import { mergeLora, type LoraPair } from './lora-merge.ts';
import { prismaticToHf } from './prismatic-keys.ts';
import { openSafetensors, openShardedSafetensors } from './safetensors.ts';
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

const MODULES = ['action_head', 'proprio_projector', 'noisy_action_projector'] as const;
const PRISMATIC = 'checkpoints/latest-checkpoint.pt';
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
  const prismatic = folder.files.includes(PRISMATIC);
  const base = prismatic ? await openPrismatic(folder) : await openHuggingFace(folder);
  const modules: TensorFile[] = [];
  for (const module of MODULES) {
    const file = await openModule(folder, module);
    if (file) modules.push(renamed(file, (name) => `${module}.${name.replace(/^module\./, '')}`));
  }
  const vision = await openFilmBackbone(folder);
  const backbone = vision
    ? renamed(base, (name) => (name.startsWith('vision_backbone.') ? null : name))
    : base;
  return {
    tensors: overlay(backbone, ...(vision ? [vision] : []), ...modules),
    config: prismatic ? huggingFaceConfig(config, base) : config,
    preprocessor: await readJson(folder, 'preprocessor_config.json'),
    statistics: await readJson(folder, 'dataset_statistics.json'),
    modelingCode: await readCode(folder),
    robotProfile: await readJson(folder, 'robot_profile.json'),
    tokenizer: folder.files.includes('tokenizer.json') ? 'tokenizer.json' : null,
  };
}

async function openPrismatic(folder: CheckpointFolder): Promise<TensorFile> {
  const file = renamed(await openTorchArchive(await folder.open(PRISMATIC)), prismaticToHf);
  if (file.entries.size === 0) {
    throw new ModelError('bad-file', `${PRISMATIC} holds none of projector, llm_backbone, vision_backbone.`);
  }
  return file;
}

async function openHuggingFace(folder: CheckpointFolder): Promise<TensorFile> {
  if (folder.files.includes('model.safetensors'))
    return openSafetensors(await folder.open('model.safetensors'));
  const index = await readJson(folder, 'model.safetensors.index.json');
  if (index) return openShardedSafetensors(index, (path) => openListed(folder, path));
  throw new ModelError(
    'bad-file',
    `The folder has neither model.safetensors, nor model.safetensors.index.json, nor ${PRISMATIC}.`,
    folder.files.includes('lora_adapter/adapter_model.safetensors')
      ? 'It holds a LoRA adapter only: merge it with vla-scripts/merge_lora_weights_and_save.py first.'
      : 'Choose a Hugging Face or Prismatic checkpoint folder.',
  );
}

async function openListed(folder: CheckpointFolder, path: string): Promise<ByteReader> {
  if (folder.files.includes(path)) return folder.open(path);
  throw new ModelError(
    'bad-file',
    `The safetensors index names ${path}, which is not in the folder.`,
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
  const base = renamed(file, (name) => (name.includes('.lora_') ? null : plainName(name)));
  const pairs = new Map<string, LoraPair>();
  let rank = 0;
  for (const [a, { shape }] of file.entries) {
    if (!a.includes('.lora_A.')) continue;
    pairs.set(plainName(a.replace(/\.lora_A\.\w+\./, '.')), { a, b: a.replace('.lora_A.', '.lora_B.') });
    rank = shape[0]!;
  }
  return pairs.size === 0 ? base : mergeLora(base, file, pairs, await loraScaling(folder, rank));
}

/** A name of the FiLM backbone's file as the unwrapped, unadapted backbone has it. */
function plainName(name: string): string {
  return `vision_backbone.${name.replace(/^(module\.)?(vision_backbone\.)?/, '')}`
    .replace(/\.blocks\.(\d+)\.block\./, '.blocks.$1.')
    .replace('.base_layer.', '.');
}

/** lora_alpha / r of the adapter's config; without one, finetune.py's min(r, 16) / r. */
async function loraScaling(folder: CheckpointFolder, rank: number): Promise<number> {
  const path = 'lora_adapter/adapter_config.json';
  const config = (await readJson(folder, path)) ?? { lora_alpha: Math.min(rank, 16), r: rank };
  const alpha = Number(config['lora_alpha']);
  const r = Number(config['r']);
  if (config['use_dora'] === true || config['use_rslora'] === true || !(alpha > 0) || !(r > 0)) {
    throw new ModelError(
      'unsupported',
      `${path} asks for a scaling other than lora_alpha / r (${alpha} / ${r}).`,
      'Merge the adapter with PEFT first.',
    );
  }
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

/** timm models and image size of Prismatic's vision backbones (prismatic/models/backbones/vision). */
const VISION_BACKBONES: Readonly<Record<string, { ids: readonly string[]; size: number }>> = {
  'dinosiglip-vit-so-224px': {
    ids: ['vit_large_patch14_reg4_dinov2.lvd142m', 'vit_so400m_patch14_siglip_224'],
    size: 224,
  },
  'dinosiglip-vit-so-384px': {
    ids: ['vit_large_patch14_reg4_dinov2.lvd142m', 'vit_so400m_patch14_siglip_384'],
    size: 384,
  },
  'siglip-vit-b16-224px': { ids: ['vit_base_patch16_siglip_224'], size: 224 },
  'siglip-vit-b16-256px': { ids: ['vit_base_patch16_siglip_256'], size: 256 },
  'siglip-vit-b16-384px': { ids: ['vit_base_patch16_siglip_384'], size: 384 },
  'siglip-vit-so400m': { ids: ['vit_so400m_patch14_siglip_224'], size: 224 },
  'siglip-vit-so400m-384px': { ids: ['vit_so400m_patch14_siglip_384'], size: 384 },
  'dinov2-vit-l': { ids: ['vit_large_patch14_reg4_dinov2.lvd142m'], size: 224 },
};

/** A VLA's config.json may name the VLM it was trained from only (`vla.base_vlm`); prismatic/conf/models.py has the rest. */
function backboneOfBaseVlm(config: Json): string {
  const id = (config['vla'] as Json | undefined)?.['base_vlm'];
  if (typeof id !== 'string') return 'unknown';
  if (id.startsWith('prism-dinosiglip-224px')) return 'dinosiglip-vit-so-224px';
  if (/^prism-dinosiglip(-controlled)?\+/.test(id)) return 'dinosiglip-vit-so-384px';
  if (id === 'siglip-224px+7b') return 'siglip-vit-so400m';
  if (/^prism-siglip(-controlled)?\+7b$/.test(id)) return 'siglip-vit-so400m-384px';
  return id;
}

/** What prismatic/models/backbones/llm leaves to Hugging Face's configuration of each language model. */
const LANGUAGE_MODELS: readonly { readonly id: RegExp; readonly text: Json }[] = [
  { id: /^(llama2|vicuna)/, text: {} },
  // MistralConfig's defaults, but for Mistral-7B-v0.1's own epsilon.
  { id: /^mistral-v0\.1-7b/, text: { model_type: 'mistral', rms_norm_eps: 1e-5, sliding_window: 4096 } },
  {
    id: /^qwen25-0_5b/,
    text: {
      model_type: 'qwen2',
      num_attention_heads: 14,
      num_key_value_heads: 2,
      rms_norm_eps: 1e-6,
      rope_theta: 1e6,
      tie_word_embeddings: true,
      use_sliding_window: false,
    },
  },
];

function textConfig(config: Json, model: Json): Json {
  const id = model['llm_backbone_id'];
  // A VLA's config.json names its base VLM only; all of those are Llama-2's.
  if (typeof id !== 'string') return {};
  const known = LANGUAGE_MODELS.find((entry) => entry.id.test(id));
  if (known) return { ...known.text, ...((config['text_config'] ?? {}) as Json) };
  throw new ModelError(
    'unsupported',
    `The language model "${id}" is not known; known are Llama-2, Mistral-7B-v0.1 and Qwen2.5-0.5B.`,
    'Convert it to a Hugging Face folder with upstream’s convert_openvla_weights_to_hf.py first.',
  );
}

/** The fields of a Hugging Face config.json that the rest of the library reads, from Prismatic's. */
function huggingFaceConfig(config: Json, tensors: TensorFile): Json {
  const model = (config['model'] ?? {}) as Json;
  const given = model['vision_backbone_id'];
  const id = typeof given === 'string' ? given : backboneOfBaseVlm(config);
  const backbone = Object.hasOwn(VISION_BACKBONES, id) ? VISION_BACKBONES[id] : undefined;
  if (!backbone)
    throw new ModelError(
      'unsupported',
      `The vision backbone "${id}" is not known; known are ${Object.keys(VISION_BACKBONES).join(', ')}.`,
    );
  const fused = [...tensors.entries.keys()].some((name) =>
    name.startsWith('vision_backbone.fused_featurizer.'),
  );
  return {
    use_fused_vision_backbone: fused,
    timm_model_ids: backbone.ids,
    image_sizes: backbone.ids.map(() => backbone.size),
    image_resize_strategy: model['image_resize_strategy'] ?? 'resize-naive',
    text_config: textConfig(config, model),
    pad_to_multiple_of: 64,
    n_action_bins: 256,
    ...(config['norm_stats'] ? { norm_stats: config['norm_stats'] } : {}),
  };
}
