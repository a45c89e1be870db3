/** A checkpoint folder of openvla-oft's finetune.py, or of export-checkpoint.ts, as a trained state. */
import { ModelError } from '../../base/errors.ts';
import type { Shape } from '../graph/types.ts';
import type { PolicyConfig } from '../policy/config.ts';
import { adaptedConfig } from '../policy/own-config.ts';
import { findModules, type ModuleFile } from '../weights/checkpoint-modules.ts';
import { openSafetensors } from '../weights/safetensors.ts';
import { openTorchArchive } from '../weights/torch-archive.ts';
import { parseAdapterConfig, type AdapterConfig } from './adapter-config.ts';
import {
  labelOf,
  checkStatistics,
  readJson,
  readStatistics,
  withinRoot,
  type ImportFolder,
} from './import-checkpoint-folder.ts';
import { packageName, packageNameOfVision } from './import-checkpoint-names.ts';
import { ownConfigOf } from './import-own-config.ts';
import { withTiedHead } from './lora.ts';
import { moduleShapes } from '../policy/module-shapes.ts';
import {
  checkShape,
  readModules,
  readPairs,
  type ImportBase,
  type LoraPair,
  type TrainedFile,
} from './read-trained.ts';
import type { HostTensor, LoraConfig, TrainedState } from './trained.ts';

export type { ImportFolder };

const CONFIG = 'lora_adapter/adapter_config.json';
/** As PEFT looks for them; the second is what it wrote before safetensors, or with safe_serialization=False. */
const WEIGHTS = ['lora_adapter/adapter_model.safetensors', 'lora_adapter/adapter_model.bin'] as const;
const MODEL = 'model.safetensors';
const QUERIES = 'action_queries.weight';

/**
 * Reads and checks everything before anything is returned. With FiLM the LoRA of the vision backbone is taken from
 * vision_backbone--N_checkpoint.pt, which is what upstream runs; in finetune.py's folders the adapter has the same.
 *
 * bf16 files are widened to float32, exactly.
 *
 * @throws ModelError `bad-file` or `bad-pickle` for files that are missing, damaged or of other content, `bad-shape` where they belong to another policy,
 * `unsupported` for an adapter that is not plain LoRA, `missing-statistics`
 */
export async function importCheckpoint(folder: ImportFolder, on: ImportBase): Promise<TrainedState> {
  const inner = withinRoot(folder);
  const modulePaths = findModules(inner.files);
  const [needed] = moduleShapes(on.config);
  const nothing = modulePaths.size === 0 && !inner.files.some((path) => path.startsWith('lora_adapter/'));
  if (needed && nothing) throw lacking(...needed, inner);
  const statistics = await readStatistics(inner);
  const own = await ownConfigOf(inner, modulePaths, statistics, on.config);
  const base: ImportBase = {
    config: adaptedConfig(on.config, { own, statistics }),
    shapes: withTiedHead(on.shapes),
  };
  const film = base.config.network.vits.some((vit) => vit.film);
  refuseOtherModules(modulePaths, base.config, film);
  const adapter = await readAdapter(inner, base);
  const adapters = new Map(adapter?.adapters);
  const modules = new Map<string, HostTensor>();
  for (const [module, { path }] of modulePaths) {
    const file = { tensors: await openTorchArchive(await inner.open(path)), title: path };
    if (module === 'vision_backbone') {
      for (const name of adapters.keys()) if (name.startsWith('vision_backbone.')) adapters.delete(name);
      await readVision(file, base, adapter?.config ?? null, { adapters, modules });
    } else {
      for (const [name, tensor] of await readModules(file, namesOf(file, module), base))
        modules.set(name, tensor);
    }
  }
  if (base.config.bridge && !modules.has(QUERIES)) modules.set(QUERIES, await queriesOfModel(inner, base));
  for (const [name, shape] of moduleShapes(base.config)) {
    if (!modules.has(name)) throw lacking(name, shape, inner);
  }
  checkStatistics(statistics, base.config);
  return { ...labelOf(inner, modulePaths), own, lora: adapter?.lora ?? null, adapters, modules, statistics };
}

/** Upstream's adapters lack the action queries; the merged model beside them has them. */
async function queriesOfModel(folder: ImportFolder, base: ImportBase): Promise<HostTensor> {
  if (!folder.files.includes(MODEL)) {
    throw new ModelError(
      'bad-file',
      `The folder has neither action_queries--N_checkpoint.pt nor ${MODEL}: the trained action queries are missing.`,
      'VLA-Adapter saves them in its merged model only: choose that folder, or convert it as a policy of its own.',
    );
  }
  const file = { tensors: await openSafetensors(await folder.open(MODEL)), title: MODEL };
  const names = new Map(file.tensors.entries.has(QUERIES) ? [[QUERIES, QUERIES]] : []);
  const found = (await readModules(file, names, base)).get(QUERIES);
  if (found) return found;
  throw new ModelError(
    'bad-file',
    `${MODEL} has no "${QUERIES}".`,
    'Choose the folder that VLA-Adapter’s finetune.py wrote with use_minivlm=True.',
  );
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
): Promise<{ config: AdapterConfig; lora: LoraConfig; adapters: Map<string, LoraPair> } | null> {
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
  const title = WEIGHTS.find((path) => folder.files.includes(path));
  if (title === undefined) {
    throw new ModelError(
      'bad-file',
      `The folder has ${CONFIG} but no ${WEIGHTS[0]}.`,
      'Copy the whole folder.',
    );
  }
  const reader = await folder.open(title);
  const tensors = await (title === WEIGHTS[0] ? openSafetensors(reader) : openTorchArchive(reader));
  const file = { tensors, title };
  const names = new Map<string, string>();
  for (const name of file.tensors.entries.keys()) {
    // The frozen weight of an adapted embedding layer, which the base has.
    if (
      /^base_model\.model\.language_model\.(lm_head|model\.embed_tokens)(\.base_layer)?\.weight$/.test(name)
    ) {
      checkShape(file, name, base.shapes.get(packageName(name)));
      continue;
    }
    if (!/^base_model\.model\..+\.lora_[AB](\.default)?\.weight$/.test(name)) {
      throw new ModelError(
        'unsupported',
        `${title} has "${name}"; only lora_A and lora_B of linear layers and of the patch convolution are read.`,
        'Merge the adapter with PEFT in Python, then convert the merged checkpoint.',
      );
    }
    names.set(packageName(name), name);
  }
  const adapters = await readPairs(file, names, base, config.r);
  if (adapters.size === 0) throw new ModelError('bad-file', `${title} has no LoRA weights.`);
  const { r, alpha, dropout, targetModules } = config;
  return {
    config,
    lora: { r, alpha, dropout, targetModules: targetModules ?? [...adapters.keys()].toSorted() },
    adapters,
  };
}

/** The file's names by the package's, of a module's file; `module.` in front is DDP's. */
function namesOf({ tensors }: TrainedFile, module: ModuleFile): Map<string, string> {
  return new Map(
    [...tensors.entries.keys()].map((name) => [`${module}.${name.replace(/^module\./, '')}`, name]),
  );
}

/** FiLM's backbone: its own layers and its LoRA are taken, the frozen weights checked by shape. */
async function readVision(
  file: TrainedFile,
  base: ImportBase,
  config: AdapterConfig | null,
  into: { adapters: Map<string, LoraPair>; modules: Map<string, HostTensor> },
): Promise<void> {
  const film = moduleShapes(base.config);
  const own = new Map<string, string>();
  const factors = new Map<string, string>();
  for (const name of file.tensors.entries.keys()) {
    const full = packageNameOfVision(name);
    if (film.has(full)) own.set(full, name);
    else if (/\.lora_[AB]\.weight$/.test(full)) factors.set(full, name);
    else checkShape(file, name, base.shapes.get(full));
  }
  for (const [name, tensor] of await readModules(file, own, base)) into.modules.set(name, tensor);
  if (factors.size === 0) return;
  if (!config) {
    throw new ModelError(
      'bad-file',
      `${file.title} holds LoRA, but the folder has no ${CONFIG}, which says how much it counts.`,
      'Copy the whole folder.',
    );
  }
  for (const [module, pair] of await readPairs(file, factors, base, config.r))
    into.adapters.set(module, pair);
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
