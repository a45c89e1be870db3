/** Which robot and head a checkpoint folder was trained for: as our exports say it, else as its sizes tell. */
import { UPSTREAM_STEPS } from '../heads/diffusion.ts';
import { headAmong, headOf, isTrainable, type HeadKind } from '../heads/index.ts';
import { knownProfile, type PolicyConfig } from '../policy/config.ts';
import {
  adaptedConfig,
  parseOwnConfig,
  PROFILE_FILE,
  sameShape,
  type OwnConfig,
} from '../policy/own-config.ts';
import { fitDimensions } from '../policy/robot-profiles.ts';
import { openTorchArchive } from '../weights/torch-archive.ts';
import type { ModuleFile } from '../weights/checkpoint-modules.ts';
import { readJson, type ImportFolder } from './import-checkpoint-folder.ts';

/**
 * Null where it is the base's own. What the folder does not hold is taken to be as the base has it: a missing head is a damaged folder rather
 * than one of action tokens. A folder of upstream's does not tell its chunk, rate, names, units and number of images: those are of a robot that
 * openvla-oft knows by the statistics' key or size, else the base's.
 * @throws ModelError `bad-file` for a profile that cannot be read, or that other numbers of the folder contradict
 */
export async function ownConfigOf(
  folder: ImportFolder,
  modules: ReadonlyMap<ModuleFile, { readonly path: string }>,
  statistics: Readonly<Record<string, unknown>>,
  base: PolicyConfig,
): Promise<OwnConfig | null> {
  const own =
    (await saidIn(folder, modules, statistics)) ??
    (await inferred(folder, modules, actionsIn(statistics), base));
  return sameShape(adaptedConfig(base, { own, statistics }), base) && !(await readJson(folder, PROFILE_FILE))
    ? null
    : own;
}

async function saidIn(
  folder: ImportFolder,
  modules: ReadonlyMap<ModuleFile, { readonly path: string }>,
  statistics: Readonly<Record<string, unknown>>,
): Promise<OwnConfig | null> {
  const json = await readJson(folder, PROFILE_FILE);
  if (!json) return null;
  const { dim, key } = actionsIn(statistics);
  return parseOwnConfig(json, { key, actions: dim, ...(await sizesOf(folder, modules)) });
}

/** Head and state, as the module files have them. */
async function sizesOf(
  folder: ImportFolder,
  modules: ReadonlyMap<ModuleFile, { readonly path: string }>,
): Promise<{ readonly head: HeadKind | null; readonly state: number | null }> {
  const shapesIn = async (module: ModuleFile) => {
    const found = modules.get(module);
    if (!found) return new Map<string, readonly number[]>();
    const { entries } = await openTorchArchive(await folder.open(found.path));
    return new Map([...entries].map(([name, { shape }]) => [name.replace(/^module\./, ''), shape]));
  };
  const head = [...(await shapesIn('action_head')).keys()].map((name) => `action_head.${name}`);
  const proprio = await shapesIn('proprio_projector');
  return { head: headAmong(head), state: proprio.get('fc1.weight')?.[1] ?? null };
}

async function inferred(
  folder: ImportFolder,
  modules: ReadonlyMap<ModuleFile, { readonly path: string }>,
  { dim, key }: { readonly dim: number; readonly key: string },
  base: PolicyConfig,
): Promise<OwnConfig | null> {
  const found = await sizesOf(folder, modules);
  const head = found.head ?? base.head;
  // VLA-Adapter's and the original OpenVLA's, which finetune.py knows nothing of.
  if (!isTrainable(head)) return null;
  const width = found.state ?? base.profile.state?.length ?? null;
  const same = dim === base.profile.actions.length;
  const known = same ? base.profile : (knownProfile(key, dim) ?? base.profile);
  return {
    profile: {
      ...known,
      actions: fitDimensions(known.actions, dim, 'action'),
      state: width === null ? null : fitDimensions(known.state, width, 'state'),
    },
    head,
    diffusion: headOf({ head }).denoises ? (base.diffusion ?? UPSTREAM_STEPS) : null,
    film: modules.has('vision_backbone') || base.network.vits.some(({ film }) => film),
    centerCrop: base.centerCrop,
  };
}

/** Sizes of the first statistics, which un-normalise; they were checked to be statistics. */
function actionsIn(statistics: Readonly<Record<string, unknown>>): {
  readonly dim: number;
  readonly key: string;
} {
  const [key, value] = Object.entries(statistics)[0]!;
  return { key, dim: (value as { action: { q01: readonly number[] } }).action.q01.length };
}
