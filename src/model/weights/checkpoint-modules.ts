/** The files that finetune.py writes beside the weights: one for each module that it trains apart. */
import { ModelError } from '../../base/errors.ts';

export const MODULE_FILES = [
  'action_head',
  'proprio_projector',
  'noisy_action_projector',
  'vision_backbone',
  'action_queries',
] as const;
export type ModuleFile = (typeof MODULE_FILES)[number];

/**
 * The newest `<module>--<step>_checkpoint.pt` of each module. With `save_latest_checkpoint_only` the step is
 * `latest`; VLA-Adapter's published files have none in their names. Upstream takes any file that has the module's name and "checkpoint" in it.
 * @throws ModelError `bad-file` where the newest ones are of different steps: they were not trained together; or where a file's name tells of a module,
 * but it is not one that upstream would take
 */
export function findModules(
  files: readonly string[],
): Map<ModuleFile, { path: string; step: number | null }> {
  const found = new Map<ModuleFile, { path: string; step: number | null }>();
  for (const path of files) {
    const [, module, step] = /^(\w+)--(?:(\d+|latest)_)?checkpoint\.pt$/.exec(path) ?? [];
    if (!MODULE_FILES.some((known) => known === module)) continue;
    const name = module as ModuleFile;
    const unnumbered = step === undefined || step === 'latest';
    const rank = unnumbered ? Infinity : Number(step);
    const known = found.get(name);
    if (known && (known.step ?? Infinity) >= rank) continue;
    found.set(name, { path, step: unnumbered ? null : rank });
  }
  for (const path of files) {
    const name = MODULE_FILES.find((module) => path.includes(module));
    if (!name || found.has(name) || !/^[^/]+\.(pt|pth|bin|ckpt)$/.test(path)) continue;
    if (!/checkpoint.*\.pt$/.test(path)) {
      throw new ModelError(
        'bad-file',
        `The folder has ${path}, which is not a name of upstream’s, and no ${name}--N_checkpoint.pt: its weights would be left out.`,
        `Call it ${name}--checkpoint.pt if it is the module's state dict, or move it away.`,
      );
    }
    found.set(name, { path, step: null });
  }
  const steps = new Set([...found.values()].map(({ step }) => step));
  if (steps.size > 1) {
    throw new ModelError(
      'bad-file',
      `The newest modules are of different steps: ${[...found.values()].map(({ path }) => path).join(', ')}.`,
      'Keep the files of one step in the folder, or choose another folder.',
    );
  }
  return found;
}
