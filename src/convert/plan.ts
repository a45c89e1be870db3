/** What converting a checkpoint means: which policy it is, what its package will hold. Reads configuration and headers only. */
import { ModelError } from '../base/errors.ts';
import type { ByteReader } from '../io/byte-reader.ts';
import { storageEncoding, type Bits } from '../model/network/storage-encoding.ts';
import { headOf } from '../model/heads/index.ts';
import {
  policyConfigFromCheckpoint,
  type CheckpointFacts,
  type PolicyConfig,
} from '../model/policy/config.ts';
import { checkTensors } from '../model/policy/checkpoint-tensors.ts';
import { decodingOf } from '../model/policy/decoding.ts';
import { openCheckpoint, type Checkpoint, type CheckpointFolder } from '../model/weights/checkpoint.ts';
import { sha256Hex } from '../base/sha256.ts';
import { assumedOf } from './assumed.ts';
import { layoutOf, type EncodingOf, type PackageLayout } from './layout.ts';
import { stretchesOf, type Stretch } from './stretches.ts';
import { tokenizerOf } from './tokenizer.ts';

/** What is chosen about a package; the rest follows from the checkpoint. */
export interface PackageChoices extends Pick<
  CheckpointFacts,
  'profile' | 'images' | 'centerCrop' | 'unnormKey' | 'decoding' | 'teach' | 'diffusionSteps'
> {
  readonly bits: Bits;
  /** Default: the folder's name. */
  readonly name?: string | undefined;
  readonly description?: string | undefined;
}

export interface PackageDescription {
  readonly name: string;
  readonly description: string;
  readonly source: string;
  readonly config: Readonly<Record<string, unknown>>;
}

/** Everything but the weights. */
export interface ConversionPlan {
  readonly checkpoint: Pick<Checkpoint, 'tensors'>;
  readonly description: PackageDescription;
  readonly tokenizer: Uint8Array<ArrayBuffer>;
  readonly layout: PackageLayout;
  readonly stretches: readonly Stretch[];
  /** Bytes of weights to read. */
  readonly sourceBytes: number;
  /** SHA-256 of files by path, where their place says so. */
  readonly hashes: ReadonlyMap<string, string>;
}

export interface CheckpointPlan extends ConversionPlan {
  readonly config: PolicyConfig;
  readonly family: FamilyTold;
  /** What had to be assumed about the robot, as a sentence; empty where the folder says it itself. */
  readonly assumed: string;
}

/** What a checkpoint is taken for: two families have the same weights, so that it is never left unsaid. */
export interface FamilyTold {
  readonly name: string;
  /** Why, as a clause that follows it; empty where the files leave no choice. */
  readonly why: string;
  /** False where nothing in the files tells, and nobody said. */
  readonly certain: boolean;
}

/** Smaller ones, for tests. */
export interface PlanSizes {
  readonly maxShardBytes?: number;
  readonly stretchBytes?: number;
}

const FAMILIES: Readonly<Record<PolicyConfig['head'], string>> = {
  l1: 'OpenVLA-OFT with an L1 head',
  diffusion: 'OpenVLA-OFT with a diffusion head',
  discrete: 'OpenVLA-OFT with action tokens, all predicted at once',
  autoregressive: 'the original OpenVLA, which generates action tokens one after the other',
  bridge: 'VLA-Adapter',
};

/** @throws ModelError naming what the checkpoint lacks, or which file is damaged */
export async function planCheckpoint(
  folder: CheckpointFolder,
  choices: PackageChoices,
  sizes: PlanSizes = {},
): Promise<CheckpointPlan> {
  const checkpoint = await openCheckpoint(folder);
  const { bits, name = folder.name ?? 'checkpoint', description = '', ...facts } = choices;
  refuseWholeNumbers(checkpoint);
  const shapes = shapesOf(checkpoint);
  const config = policyConfigFromCheckpoint({ ...checkpoint, shapes, ...given(facts) });
  const teach = choices.teach !== undefined;
  checkTensors(shapes, config, { teach, own: checkpoint.robotProfile !== null && !teach });
  const tokenizer = await tokenizerOf(folder, checkpoint, config);
  const plan = await planPackage(
    checkpoint,
    {
      name,
      description,
      source: `${folder.name ?? name}, converted with ${bits} bits`,
      config: { ...config },
    },
    tokenizer,
    { encodingOf: (tensor, shape) => storageEncoding(tensor, shape, bits), hashes: folder.hashes, ...sizes },
  );
  const assumed = checkpoint.robotProfile && !teach ? '' : assumedOf(config);
  return { ...plan, config, family: familyOf(checkpoint, config, choices), assumed };
}

/** Those of 8-bit and 4-bit loaders are codes, whose scales are elsewhere. @throws ModelError `unsupported` */
function refuseWholeNumbers({ tensors }: Pick<Checkpoint, 'tensors'>): void {
  for (const [name, { dtype }] of tensors.entries) {
    if (/^(F64|F32|F16|BF16)$/.test(dtype)) continue;
    throw new ModelError(
      'unsupported',
      `"${name}" holds ${dtype}; every weight has to be of a floating type.`,
      'Use the checkpoint as it was before it was quantised.',
    );
  }
}

/** Of any tensors. */
export async function planPackage(
  checkpoint: Pick<Checkpoint, 'tensors'>,
  description: PackageDescription,
  tokenizer: Uint8Array<ArrayBuffer>,
  options: {
    readonly encodingOf: EncodingOf;
    readonly hashes?: ReadonlyMap<string, string> | undefined;
  } & PlanSizes,
): Promise<ConversionPlan> {
  const layout = layoutOf(checkpoint.tensors.entries, options.encodingOf, options.maxShardBytes);
  if (layout.shards.length === 0) throw new ModelError('bad-file', 'The checkpoint holds no weights.');
  const stretches = await stretchesOf(checkpoint.tensors, layout, options.stretchBytes);
  return {
    checkpoint,
    description,
    tokenizer,
    layout,
    stretches,
    sourceBytes: stretches.reduce((sum, { start, end }) => sum + end - start, 0),
    hashes: options.hashes ?? new Map(),
  };
}

/**
 * Tells a conversion that was begun from one of other files or with other choices.
 * @returns SHA-256, hex
 */
export async function fingerprintOf(plan: ConversionPlan): Promise<string> {
  const files = new Set(plan.stretches.flatMap(({ file }) => (file ? [file] : [])));
  const facts = {
    description: plan.description,
    layout: plan.layout,
    tokenizer: await sha256Hex(plan.tokenizer),
    files: [...files].map((file) => [
      file.name,
      file.byteLength,
      plan.hashes.get(file.name),
      versionOf(file),
    ]),
    stretches: plan.stretches.map(({ start, end }) => [start, end]),
  };
  return sha256Hex(new TextEncoder().encode(JSON.stringify(facts)));
}

const versionOf = ({ version, blob }: ByteReader): unknown =>
  version ?? (blob as Partial<File> | undefined)?.lastModified;

export function shapesOf({ tensors }: Pick<Checkpoint, 'tensors'>): Map<string, readonly number[]> {
  return new Map([...tensors.entries].map(([name, { shape }]) => [name, shape]));
}

/** What was chosen, without what was left open. */
function given<T extends object>(choices: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(choices).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}

function familyOf(
  checkpoint: Checkpoint,
  config: PolicyConfig,
  { decoding, teach }: PackageChoices,
): FamilyTold {
  const name = `${FAMILIES[config.head]}${config.bridge?.pro ? ' Pro' : ''}`;
  if (teach) return { name, why: ', to be taught: until then it predicts nothing of use', certain: true };
  if (!headOf(config).lmHead) return { name, why: '', certain: true };
  if (decoding) return { name, why: ', as was chosen', certain: true };
  const { reason, certain } = decodingOf({
    ...checkpoint,
    shapes: shapesOf(checkpoint),
    statistics: config.statistics,
  });
  return { name, why: `: ${reason}`, certain };
}
