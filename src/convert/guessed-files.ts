/** A checkpoint on a web server that cannot list its files: those that upstream writes are asked for by name. */
import { readJson, type Folder } from '../io/folder.ts';
import { MODULE_FILES } from '../model/weights/checkpoint-modules.ts';

const INDEX = 'model.safetensors.index.json';
const NAMES = [
  'config.json',
  'preprocessor_config.json',
  'dataset_statistics.json',
  'tokenizer.json',
  'modeling_prismatic.py',
  'model.safetensors',
  INDEX,
  'checkpoints/latest-checkpoint.pt',
  'lora_adapter/adapter_config.json',
];
/** How finetune.py calls what it saves apart, where the step is not part of the name. */
const MODULE_NAMES = MODULE_FILES.flatMap((module) => [
  `${module}--latest_checkpoint.pt`,
  `${module}--checkpoint.pt`,
  `${module}.safetensors`,
]);

/** The same folder with a list of what was found. */
export async function guessedFiles(folder: Folder): Promise<Folder> {
  const found: string[] = [];
  for (const path of [...NAMES, ...MODULE_NAMES]) if (await folder.has(path)) found.push(path);
  if (found.includes(INDEX)) found.push(...(await shardsOf(folder)));
  return { ...folder, list: async () => found.toSorted() };
}

async function shardsOf(folder: Folder): Promise<string[]> {
  const index = (await readJson(folder, INDEX)) as { weight_map?: Readonly<Record<string, unknown>> } | null;
  const named = new Set(Object.values(index?.weight_map ?? {}).filter((path) => typeof path === 'string'));
  const there: string[] = [];
  for (const path of named) if (/^[\w.-]+$/.test(path) && (await folder.has(path))) there.push(path);
  return there;
}
