/** What is asked of trained tensors and statistics before they are laid over a policy, whatever file they come from. */
import { ModelError } from '../../base/errors.ts';
import type { Shape } from '../graph/types.ts';
import { loraNames } from '../network/scope.ts';
import type { PolicyConfig } from '../policy/config.ts';
import type { DatasetStatistics } from '../policy/statistics.ts';
import type { TensorFile } from '../weights/tensor-file.ts';
import { withTiedHead } from './lora.ts';
import { moduleShapes } from '../policy/module-shapes.ts';
import type { HostTensor } from './trained.ts';

/** The policy that the state is to be laid over. */
export interface ImportBase {
  readonly config: PolicyConfig;
  /** Of every weight of the base. */
  readonly shapes: ReadonlyMap<string, Shape>;
}

/** A file whose tensors are read. */
export interface TrainedFile {
  readonly tensors: TensorFile;
  /** What messages call it, at the start of a sentence. */
  readonly title: string;
}

export interface LoraPair {
  readonly a: HostTensor;
  readonly b: HostTensor;
}

const OTHER_POLICY = 'Load the policy that it was trained on.';

/**
 * LoRA's factors, always as pairs.
 *
 * @param names the file's names by the package's, of `…lora_A.weight` and `…lora_B.weight` only
 * @throws ModelError `bad-shape` where they belong to another policy or have another rank, `bad-file` for half a pair or values that are not finite
 */
export async function readPairs(
  file: TrainedFile,
  names: ReadonlyMap<string, string>,
  base: ImportBase,
  r: number,
): Promise<Map<string, LoraPair>> {
  const modules = new Set([...names.keys()].map((name) => name.replace(/\.lora_[AB]\.weight$/, '')));
  const pairs = new Map<string, LoraPair>();
  const shapes = withTiedHead(base.shapes);
  for (const module of modules) {
    const weight = shapes.get(`${module}.weight`);
    if (!weight) {
      throw new ModelError(
        'bad-shape',
        `${file.title} has LoRA for "${module}", which the policy does not have.`,
        OTHER_POLICY,
      );
    }
    const read = (factor: string, expected: Shape): Promise<HostTensor> => {
      const name = names.get(factor);
      if (name) return readTensor(file, name, expected);
      throw new ModelError(
        'bad-file',
        `${file.title} lacks "${factor}"; factors come in pairs.`,
        'Get it again from where it came.',
      );
    };
    const { a, b } = loraNames(module);
    pairs.set(module, {
      a: await read(a, [r, ...weight.slice(1)]),
      b: await read(b, [weight[0]!, r, ...weight.slice(2).map(() => 1)]),
    });
  }
  return pairs;
}

/**
 * Modules that are trained from scratch.
 *
 * @param names the file's names by the package's
 * @throws ModelError `bad-shape` where they belong to another policy, `bad-file` where values are not finite
 */
export async function readModules(
  file: TrainedFile,
  names: ReadonlyMap<string, string>,
  { config }: ImportBase,
): Promise<Map<string, HostTensor>> {
  const shapes = moduleShapes(config);
  const modules = new Map<string, HostTensor>();
  for (const [full, name] of names) modules.set(full, await readTensor(file, name, shapes.get(full)));
  return modules;
}

async function readTensor(file: TrainedFile, name: string, expected: Shape | undefined): Promise<HostTensor> {
  const shape = checkShape(file, name, expected);
  const data = await file.tensors.readFloat32(name);
  // Every action would be NaN.
  if (!data.every((value) => Number.isFinite(value))) {
    throw new ModelError(
      'bad-file',
      `${file.title} has values in "${name}" that are not finite.`,
      'The training run had diverged; take an earlier checkpoint.',
    );
  }
  return { shape, data };
}

/** The shape that both have. @param expected undefined where the policy has no such tensor @throws ModelError `bad-shape` */
export function checkShape(
  { tensors, title }: TrainedFile,
  name: string,
  expected: Shape | undefined,
): Shape {
  if (!expected) {
    throw new ModelError(
      'bad-shape',
      `${title} has "${name}", which the policy does not have.`,
      OTHER_POLICY,
    );
  }
  const { shape } = tensors.entries.get(name)!;
  if (shape.join() === expected.join()) return shape;
  throw new ModelError(
    'bad-shape',
    `${title} has "${name}" as [${shape.join(', ')}]; the policy needs [${expected.join(', ')}].`,
    OTHER_POLICY,
  );
}

/** @throws ModelError `bad-shape` */
export function checkActions(
  title: string,
  key: string,
  statistics: DatasetStatistics,
  base: PolicyConfig,
): void {
  const found = statistics.action.q01.length;
  const expected = base.profile.actions.length;
  if (found === expected) return;
  throw new ModelError(
    'bad-shape',
    `${title} has ${found} action dimensions in the statistics "${key}"; the policy has ${expected}.`,
    OTHER_POLICY,
  );
}
