/** A checkpoint folder of openvla-oft's finetune.py, or of export-checkpoint.ts, as a trained state. */
import { ModelError } from '../errors.ts';
import type { Shape } from '../graph/types.ts';
import type { PolicyConfig } from '../policy/config.ts';
import { openSafetensors } from '../weights/safetensors.ts';
import type { TensorFile } from '../weights/tensor-file.ts';
import { openTorchArchive } from '../weights/torch-archive.ts';
import { parseAdapterConfig, type AdapterConfig } from './adapter-config.ts';
import {
  findModules,
  labelOf,
  readJson,
  readStatistics,
  withinRoot,
  type ImportFolder,
  type ModuleFile,
} from './import-checkpoint-folder.ts';
import { packageName, packageNameOfVision } from './import-checkpoint-names.ts';
import { moduleShapes } from './modules-init.ts';
import type { HostTensor, LoraConfig, TrainedState } from './trained.ts';

export type { ImportFolder };

/** The policy that the state is to be laid over. */
export interface ImportBase {
  readonly config: PolicyConfig;
  /** Of every weight of the base. */
  readonly shapes: ReadonlyMap<string, Shape>;
}

type Pair = { readonly a: HostTensor; readonly b: HostTensor };

const CONFIG = 'lora_adapter/adapter_config.json';
const WEIGHTS = 'lora_adapter/adapter_model.safetensors';

/**
 * Reads and checks everything before anything is returned. With FiLM the LoRA of the vision backbone is taken from
 * vision_backbone--N_checkpoint.pt, which is what upstream runs; in finetune.py's folders the adapter has the same.
 *
 * bf16 files are widened to float32, exactly.
 *
 * @throws ModelError `bad-file` or `bad-pickle` for files that are missing, damaged or of other content, `bad-shape` where they belong to another policy,
 * `unsupported` for an adapter that is not plain LoRA, `missing-statistics`
 */
export async function importCheckpoint(folder: ImportFolder, base: ImportBase): Promise<TrainedState> {
  const inner = withinRoot(folder);
  const modulePaths = findModules(inner);
  const film = base.config.network.vits.some((vit) => vit.film);
  refuseOtherModules(modulePaths, base.config, film);
  const adapter = await readAdapter(inner, base);
  const adapters = new Map(adapter?.adapters);
  const modules = new Map<string, HostTensor>();
  for (const [module, { path }] of modulePaths) {
    if (module === 'vision_backbone') continue;
    const file = await openTorchArchive(await inner.open(path));
    await readModule(file, module, path, base.config, modules);
  }
  const vision = modulePaths.get('vision_backbone');
  if (vision) {
    const file = await openTorchArchive(await inner.open(vision.path));
    for (const name of adapters.keys()) if (name.startsWith('vision_backbone.')) adapters.delete(name);
    await readVision(file, vision.path, base, adapter?.config ?? null, { adapters, modules });
  }
  for (const [name, shape] of moduleShapes(base.config)) {
    if (!modules.has(name)) throw lacking(name, shape, inner);
  }
  const statistics = await readStatistics(inner, base.config);
  return { ...labelOf(inner, modulePaths), lora: adapter?.lora ?? null, adapters, modules, statistics };
}

function refuseOtherModules(
  found: ReadonlyMap<ModuleFile, { path: string }>,
  config: PolicyConfig,
  film: boolean,
): void {
  const wanted = new Set([...moduleShapes(config).keys()].map((name) => name.slice(0, name.indexOf('.'))));
  if (!film) wanted.delete('vision_backbone');
  for (const [module, { path }] of found) {
    if (wanted.has(module)) continue;
    throw new ModelError(
      'bad-shape',
      `The folder has ${path}, but the policy has no ${module === 'vision_backbone' ? 'FiLM' : module}.`,
      'Load the policy that the checkpoint was trained on.',
    );
  }
}

async function readAdapter(
  folder: ImportFolder,
  base: ImportBase,
): Promise<{ config: AdapterConfig; lora: LoraConfig; adapters: Map<string, Pair> } | null> {
  const json = await readJson(folder, CONFIG);
  if (!json) {
    if (!folder.files.some((path) => path.startsWith('lora_adapter/adapter_model'))) return null;
    throw new ModelError(
      'bad-file',
      `The folder has LoRA's weights but no ${CONFIG}.`,
      'Copy the whole folder.',
    );
  }
  const config = parseAdapterConfig(json);
  if (!folder.files.includes(WEIGHTS)) {
    throw new ModelError(
      'bad-file',
      `The folder has ${CONFIG} but no ${WEIGHTS}.`,
      folder.files.includes('lora_adapter/adapter_model.bin')
        ? 'Save the adapter with safe_serialization=True.'
        : 'Copy the whole folder.',
    );
  }
  const file = await openSafetensors(await folder.open(WEIGHTS));
  const names = new Map<string, string>();
  for (const name of file.entries.keys()) {
    // The frozen weight of an adapted embedding layer, which the base has.
    if (
      /^base_model\.model\.language_model\.(lm_head|model\.embed_tokens)(\.base_layer)?\.weight$/.test(name)
    ) {
      const frozen = base.shapes.get(packageName(name));
      const { shape } = file.entries.get(name)!;
      if (frozen?.join() !== shape.join()) throw misshapen(WEIGHTS, name, shape, frozen ?? []);
      continue;
    }
    if (!/^base_model\.model\..+\.lora_[AB](\.default)?\.weight$/.test(name)) {
      throw new ModelError(
        'unsupported',
        `${WEIGHTS} has "${name}"; only lora_A and lora_B of linear layers and of the patch convolution are read.`,
        'Merge the adapter with PEFT in Python, then convert the merged checkpoint.',
      );
    }
    names.set(packageName(name), name);
  }
  const adapters = await readPairs(file, names, WEIGHTS, base, config);
  if (adapters.size === 0) throw new ModelError('bad-file', `${WEIGHTS} has no LoRA weights.`);
  const { r, alpha, dropout, targetModules } = config;
  return {
    config,
    lora: { r, alpha, dropout, targetModules: targetModules ?? [...adapters.keys()].toSorted() },
    adapters,
  };
}

/** @param names the file's names by the package's, of `…lora_A.weight` and `…lora_B.weight` only */
async function readPairs(
  file: TensorFile,
  names: ReadonlyMap<string, string>,
  path: string,
  base: ImportBase,
  { r }: AdapterConfig,
): Promise<Map<string, Pair>> {
  const modules = new Set([...names.keys()].map((name) => name.replace(/\.lora_[AB]\.weight$/, '')));
  const pairs = new Map<string, Pair>();
  for (const module of modules) {
    const weight = base.shapes.get(`${module}.weight`);
    if (!weight) {
      throw new ModelError(
        'bad-shape',
        `${path} adapts "${module}", which the policy does not have.`,
        'Load the policy that the checkpoint was trained on.',
      );
    }
    const read = async (part: 'lora_A' | 'lora_B', expected: Shape): Promise<HostTensor> => {
      const name = names.get(`${module}.${part}.weight`);
      if (!name)
        throw new ModelError('bad-file', `${path} lacks ${part} of "${module}".`, 'Copy the file again.');
      return readTensor(file, name, expected, path);
    };
    const outer = weight.slice(2).map(() => 1);
    pairs.set(module, {
      a: await read('lora_A', [r, ...weight.slice(1)]),
      b: await read('lora_B', [weight[0]!, r, ...outer]),
    });
  }
  return pairs;
}

/** A module's file; `module.` in front of its names is DDP's. */
async function readModule(
  file: TensorFile,
  module: ModuleFile,
  path: string,
  config: PolicyConfig,
  modules: Map<string, HostTensor>,
): Promise<void> {
  const shapes = moduleShapes(config);
  for (const name of file.entries.keys()) {
    const full = `${module}.${name.replace(/^module\./, '')}`;
    const shape = shapes.get(full);
    if (!shape) throw unknown(path, name);
    modules.set(full, await readTensor(file, name, shape, path));
  }
}

/** FiLM's backbone: its own layers and its LoRA are taken, the frozen weights checked by shape. */
async function readVision(
  file: TensorFile,
  path: string,
  base: ImportBase,
  config: AdapterConfig | null,
  into: { adapters: Map<string, Pair>; modules: Map<string, HostTensor> },
): Promise<void> {
  const film = moduleShapes(base.config);
  const factors = new Map<string, string>();
  for (const [name, { shape }] of file.entries) {
    const full = packageNameOfVision(name);
    const own = film.get(full);
    if (own) into.modules.set(full, await readTensor(file, name, own, path));
    else if (/\.lora_[AB]\.weight$/.test(full)) factors.set(full, name);
    else {
      const frozen = base.shapes.get(full);
      if (!frozen) throw unknown(path, name);
      if (frozen.join() !== shape.join()) throw misshapen(path, name, shape, frozen);
    }
  }
  if (factors.size === 0) return;
  if (!config) {
    throw new ModelError(
      'bad-file',
      `${path} holds LoRA, but the folder has no ${CONFIG}, which says how much it counts.`,
      'Copy the whole folder.',
    );
  }
  for (const [module, pair] of await readPairs(file, factors, path, base, config))
    into.adapters.set(module, pair);
}

/** @throws ModelError `bad-shape`, or `bad-file` where values are not finite: every action would be NaN */
async function readTensor(
  file: TensorFile,
  name: string,
  expected: Shape,
  path: string,
): Promise<HostTensor> {
  const { shape } = file.entries.get(name)!;
  if (shape.join() !== expected.join()) throw misshapen(path, name, shape, expected);
  const data = await file.readFloat32(name);
  if (!data.every((value) => Number.isFinite(value))) {
    throw new ModelError(
      'bad-file',
      `"${name}" in ${path} has values that are not finite.`,
      'The training run had diverged; take an earlier checkpoint.',
    );
  }
  return { shape, data };
}

function lacking(name: string, shape: Shape, folder: ImportFolder): ModelError {
  const module = name.slice(0, name.indexOf('.'));
  return new ModelError(
    'bad-file',
    `The folder lacks "${name}" [${shape.join(', ')}], of ${module}--N_checkpoint.pt.`,
    folder.files.some((path) => path.startsWith('lora_adapter/'))
      ? 'Copy the whole folder, or load the policy that the checkpoint was trained on.'
      : 'Choose the folder {run}--{step}_chkpt that finetune.py writes.',
  );
}

function misshapen(path: string, name: string, found: Shape, expected: Shape): ModelError {
  return new ModelError(
    'bad-shape',
    `"${name}" in ${path} is [${found.join(', ')}]; the policy needs [${expected.join(', ')}].`,
    'Load the policy that the checkpoint was trained on.',
  );
}

function unknown(path: string, name: string): ModelError {
  return new ModelError(
    'bad-shape',
    `${path} has "${name}", which the policy does not have.`,
    'Load the policy that the checkpoint was trained on.',
  );
}
