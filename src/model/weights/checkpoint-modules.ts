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
 * `latest`; VLA-Adapter's published files have none in their names.
 * @throws ModelError `bad-file` where the newest ones are of different steps: they were not trained together
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
