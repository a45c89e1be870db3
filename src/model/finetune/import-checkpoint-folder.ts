/** What finetune.py's folder has where: its modules' files, statistics, and the name that tells run and step. */
import * as v from 'valibot';
import { ModelError } from '../errors.ts';
import type { PolicyConfig } from '../policy/config.ts';
import { datasetStatisticsSchema, type DatasetStatistics } from '../policy/statistics.ts';
import type { CheckpointFolder } from '../weights/checkpoint.ts';
import { checkActions } from './read-trained.ts';

export interface ImportFolder extends CheckpointFolder {
  /** `{run}--{step}_chkpt` gives run and step. */
  readonly name?: string;
}

const MODULE_FILES = [
  'action_head',
  'proprio_projector',
  'noisy_action_projector',
  'vision_backbone',
] as const;
export type ModuleFile = (typeof MODULE_FILES)[number];

const STATISTICS = 'dataset_statistics.json';
const MAX_JSON_BYTES = 64 * 2 ** 20;

/** A folder dropped on the page may come with one folder around its files. */
export function withinRoot(folder: ImportFolder): ImportFolder {
  const marks = folder.files.filter((path) =>
    /(^|\/)(dataset_statistics\.json|lora_adapter\/adapter_config\.json)$/.test(path),
  );
  const roots = new Set(
    marks.map((path) => path.replace(/(dataset_statistics\.json|lora_adapter\/adapter_config\.json)$/, '')),
  );
  if (roots.size > 1) {
    throw new ModelError(
      'bad-file',
      `The folder holds several checkpoints: ${[...roots].map((root) => root || '(itself)').join(', ')}.`,
      'Choose one of them.',
    );
  }
  const [root = ''] = roots;
  if (root === '') return folder;
  return {
    name: root.split('/').at(-2)!,
    files: folder.files.filter((path) => path.startsWith(root)).map((path) => path.slice(root.length)),
    open: (path) => folder.open(root + path),
  };
}

/** The newest file of each module. A finetune.py that keeps one checkpoint only calls it `latest`. */
export function findModules(folder: ImportFolder): Map<ModuleFile, { path: string; step: number | null }> {
  const found = new Map<ModuleFile, { path: string; step: number | null }>();
  for (const path of folder.files) {
    const [, module, step] = /^(\w+)--(\d+|latest)_checkpoint\.pt$/.exec(path) ?? [];
    if (!step || !MODULE_FILES.some((known) => known === module)) continue;
    const name = module as ModuleFile;
    const rank = step === 'latest' ? Infinity : Number(step);
    const known = found.get(name);
    if (known && (known.step ?? Infinity) >= rank) continue;
    found.set(name, { path, step: step === 'latest' ? null : rank });
  }
  const steps = new Set([...found.values()].map(({ step }) => step));
  if (steps.size > 1) {
    throw new ModelError(
      'bad-file',
      `The newest modules are of different steps: ${[...found.values()].map(({ path }) => path).join(', ')}.`,
      'Choose a folder with one checkpoint.',
    );
  }
  return found;
}

/** @throws ModelError where there are none */
export async function readStatistics(folder: ImportFolder): Promise<Readonly<Record<string, unknown>>> {
  const json = await readJson(folder, STATISTICS);
  if (!json || Object.keys(json).length === 0) {
    throw new ModelError(
      'missing-statistics',
      `The folder has ${json ? 'no statistics in its' : 'no'} ${STATISTICS}; actions cannot be un-normalised without.`,
      'Copy the whole folder, as finetune.py left it.',
    );
  }
  for (const [key, value] of Object.entries(json)) {
    const parsed = v.safeParse(datasetStatisticsSchema, value);
    if (!parsed.success) {
      const issue = parsed.issues[0];
      throw new ModelError(
        'bad-file',
        `${STATISTICS}: ${key}.${v.getDotPath(issue) ?? ''}: ${issue.message}.`,
      );
    }
  }
  return json;
}

/** @throws ModelError `bad-shape` for statistics of another action */
export function checkStatistics(statistics: Readonly<Record<string, unknown>>, config: PolicyConfig): void {
  for (const [key, value] of Object.entries(statistics))
    checkActions(STATISTICS, key, value as DatasetStatistics, config);
}

/** Null where the folder has no such file. */
export async function readJson(folder: ImportFolder, path: string): Promise<Record<string, unknown> | null> {
  if (!folder.files.includes(path)) return null;
  const file = await folder.open(path);
  if (file.byteLength > MAX_JSON_BYTES) {
    throw new ModelError('bad-file', `${path} has ${file.byteLength} bytes; that is no configuration.`);
  }
  try {
    const json: unknown = JSON.parse(new TextDecoder().decode(await file.read(0, file.byteLength)));
    if (typeof json === 'object' && json !== null && !Array.isArray(json))
      return json as Record<string, unknown>;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new ModelError('bad-file', `${path} is no JSON object.`, 'Copy or download the file again.');
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
