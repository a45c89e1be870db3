/** What finetune.py's folder has where: its modules' files, statistics, and the name that tells run and step. */
import { parsePythonJson } from '../../io/python-json.ts';
import { ModelError } from '../../base/errors.ts';
import type { PolicyConfig } from '../policy/config.ts';
import { parseStatistics } from '../policy/statistics-file.ts';
import type { CheckpointFolder } from '../weights/checkpoint.ts';
import type { ModuleFile } from '../weights/checkpoint-modules.ts';

/** Its name, `{run}--{step}_chkpt`, gives run and step. */
export type ImportFolder = CheckpointFolder;

const STATISTICS = 'dataset_statistics.json';
const MAX_JSON_BYTES = 64 * 2 ** 20;

const ADAPTER = 'lora_adapter/';
const SIGN = /^(|.*?\/)(dataset_statistics\.json|lora_adapter\/adapter_config\.json|adapter_config\.json)$/;

/** The checkpoint in what was handed over, however many folders are around it, with its adapter where finetune.py puts it. */
export function withinRoot(folder: ImportFolder): ImportFolder {
  const roots = [...new Set(folder.files.flatMap((path) => SIGN.exec(path)?.[1] ?? []))];
  const shallowest = roots.filter((root) => depthOf(root) === Math.min(...roots.map(depthOf)));
  if (shallowest.length > 1) {
    throw new ModelError(
      'bad-file',
      `The folder holds several checkpoints: ${shallowest.join(', ')}.`,
      'Choose one of them.',
    );
  }
  const [root = ''] = shallowest;
  const files = folder.files.flatMap((path) => (path.startsWith(root) ? [path.slice(root.length)] : []));
  return withAdapterInside({
    ...(root === ''
      ? folder.name === undefined
        ? {}
        : { name: folder.name }
      : { name: root.split('/').at(-2)! }),
    files,
    open: (path) => folder.open(root + path),
  });
}

function depthOf(root: string): number {
  return root.split('/').length;
}

/** PEFT's own files may lie beside the modules: whoever saved with `save_pretrained` has them there. */
function withAdapterInside(folder: ImportFolder): ImportFolder {
  const flat = folder.files.filter((path) => /^adapter_(config\.json|model\.safetensors)$/.test(path));
  if (flat.length === 0) return folder;
  if (folder.files.some((path) => path.startsWith(ADAPTER))) {
    throw new ModelError(
      'bad-file',
      `The folder holds two adapters: ${flat[0]} and ${ADAPTER}.`,
      'Keep the one that belongs to the modules beside it.',
    );
  }
  return {
    ...folder,
    files: folder.files.map((path) => (flat.includes(path) ? ADAPTER + path : path)),
    open: (path) => {
      const inner = path.startsWith(ADAPTER) ? path.slice(ADAPTER.length) : path;
      return folder.open(flat.includes(inner) ? inner : path);
    },
  };
}

/** @throws ModelError where there are none, or they are not statistics */
export async function readStatistics(folder: ImportFolder): Promise<Readonly<Record<string, unknown>>> {
  const json = await readJson(folder, STATISTICS);
  if (json) return parseStatistics(json, STATISTICS, { actions: null, proprio: null });
  throw new ModelError(
    'missing-statistics',
    `The folder has no ${STATISTICS}; actions cannot be un-normalised without it.`,
    'Copy the whole folder, as finetune.py left it.',
  );
}

/** @throws ModelError for statistics of another robot */
export function checkStatistics(
  statistics: Readonly<Record<string, unknown>>,
  { profile }: PolicyConfig,
): void {
  const needs = { actions: profile.actions.length, proprio: profile.state?.length ?? null };
  parseStatistics(statistics, STATISTICS, needs);
}

/** Null where the folder has no such file. */
export async function readJson(folder: ImportFolder, path: string): Promise<Record<string, unknown> | null> {
  if (!folder.files.includes(path)) return null;
  const file = await folder.open(path);
  if (file.byteLength > MAX_JSON_BYTES) {
    throw new ModelError('bad-file', `${path} has ${file.byteLength} bytes; more than any configuration.`);
  }
  const text = new TextDecoder().decode(await file.slice(0, file.byteLength));
  const json = parsePythonJson(text, path);
  if (typeof json === 'object' && json !== null && !Array.isArray(json))
    return json as Record<string, unknown>;
  throw new ModelError('bad-file', `${path} is not a JSON object.`, 'Copy or download the file again.');
}

/** By the folder's name, else by its modules' step. */
export function labelOf(
  folder: ImportFolder,
  modules: ReadonlyMap<ModuleFile, { step: number | null }>,
): { run: string; step: number } {
  const [, run, step] = /^(.*)--(\d+)_chkpt$/.exec(folder.name ?? '') ?? [];
  const ofModules = [...modules.values()][0]?.step ?? 0;
  return { run: run || folder.name || 'imported', step: step === undefined ? ofModules : Number(step) };
}
