/** The policy's configuration: what a package's manifest holds under `config`, and how it follows from a checkpoint. */
import * as v from 'valibot';
import { ModelError } from '../../base/errors.ts';
import { bridgeConfig, type BridgeConfig } from '../heads/bridge-segments.ts';
import { UPSTREAM_STEPS } from '../heads/diffusion.ts';
import { HEAD_KINDS, headAmong, headOf, type HeadKind, type TrainableHead } from '../heads/index.ts';
import { networkConfig, type NetworkConfig, type Shapes } from '../network/config.ts';
import { backboneOf, type TokenPolicy } from '../network/language.ts';
import { upgradeConfig } from './config-version-1.ts';
import { decodingOf, type Decoding } from './decoding.ts';
import { checkPreprocessor, defaultPreprocessor } from './preprocessor.ts';
import { parseOwnConfig, type FoundSizes, type OwnConfig } from './own-config.ts';
import { fitDimensions, profileSchema, ROBOT_PROFILES, type RobotProfile } from './robot-profiles.ts';
import { datasetStatisticsSchema, type DatasetStatistics } from './statistics.ts';
import { parseStatistics } from './statistics-file.ts';

export interface PolicyConfig {
  readonly network: NetworkConfig;
  /**
   * OpenVLA-OFT's three, all in one parallel pass: `l1`, `diffusion`, `discrete` (action tokens); the original OpenVLA's action tokens one after the
   * other (`autoregressive`); VLA-Adapter's attention over all layers (`bridge`).
   */
  readonly head: HeadKind;
  /** Null unless the head is a bridge. */
  readonly bridge: BridgeConfig | null;
  readonly profile: RobotProfile;
  readonly tokens: TokenPolicy;
  /** Edges of the discretisation, `n_action_bins` of config.json. */
  readonly actionBins: number;
  /** DDIM steps in training and at inference; null unless the head is a diffusion head. */
  readonly diffusion: { readonly trainSteps: number; readonly inferenceSteps: number } | null;
  /** Upstream's preprocessor_config.json. */
  readonly preprocessor: Readonly<Record<string, unknown>>;
  /** Whether images are center-cropped first, as for policies trained with image augmentation. */
  readonly centerCrop: boolean;
  readonly statistics: Readonly<Record<string, DatasetStatistics>>;
  readonly defaultUnnormKey: string;
}

const positive = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1e7));
const count = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(1e7));
const vit = v.object({
  prefix: v.picklist(['vision_backbone.featurizer', 'vision_backbone.fused_featurizer']),
  imageSize: positive,
  patchSize: positive,
  dim: positive,
  depth: v.pipe(v.number(), v.integer(), v.minValue(2), v.maxValue(1000)),
  heads: positive,
  classToken: v.boolean(),
  registerTokens: count,
  positionsForPatchesOnly: v.boolean(),
  layerScale: v.boolean(),
  film: v.boolean(),
  eps: v.number(),
  preNorm: v.optional(v.boolean()),
  quickGelu: v.optional(v.boolean()),
});

const policyConfigSchema = v.object({
  network: v.object({
    vits: v.pipe(v.array(vit), v.minLength(1), v.maxLength(2)),
    projectorLayers: v.picklist([2, 3]),
    language: v.object({
      kind: v.picklist(['llama', 'qwen2', 'mistral']),
      hidden: positive,
      layers: positive,
      heads: positive,
      kvHeads: positive,
      vocabulary: positive,
      rmsEps: v.number(),
      ropeTheta: v.number(),
      attention: v.picklist(['bidirectional', 'causal']),
      slidingWindow: v.nullable(positive),
      tiedEmbeddings: v.boolean(),
    }),
  }),
  head: v.picklist(HEAD_KINDS),
  bridge: v.nullable(
    v.object({
      pro: v.boolean(),
      queries: v.pipe(positive, v.maxValue(10_000)),
      blocks: v.pipe(positive, v.maxValue(1000)),
      taskTokens: positive,
    }),
  ),
  profile: profileSchema,
  tokens: v.object({
    bos: v.nullable(count),
    empty: v.nullable(count),
    emptyInTraining: v.optional(count),
    placeholder: count,
    stop: count,
    vocabulary: positive,
  }),
  actionBins: v.pipe(v.number(), v.integer(), v.minValue(2), v.maxValue(65_536)),
  diffusion: v.nullable(v.object({ trainSteps: positive, inferenceSteps: positive })),
  preprocessor: v.record(v.string(), v.unknown()),
  centerCrop: v.boolean(),
  statistics: v.record(v.string(), datasetStatisticsSchema),
  defaultUnnormKey: v.string(),
});

/**
 * Checks a manifest's `config`, of a package of any format version.
 * @throws ModelError `bad-package` naming the first field that is wrong.
 */
export function parsePolicyConfig(json: unknown): PolicyConfig {
  const result = v.safeParse(policyConfigSchema, upgradeConfig(json));
  if (!result.success) {
    const issue = result.issues[0];
    const path = v.getDotPath(issue) ?? 'config';
    throw new ModelError(
      'bad-package',
      `The package's config.${path} is wrong: ${issue.message}`,
      'The package was made by another program or is damaged; convert the checkpoint again.',
    );
  }
  const config = result.output;
  if (!Object.hasOwn(config.statistics, config.defaultUnnormKey)) {
    throw new ModelError(
      'missing-statistics',
      `The package un-normalises with "${config.defaultUnnormKey}", but has statistics for ` +
        `${Object.keys(config.statistics).join(', ') || 'no dataset'} only.`,
      'Convert the checkpoint again with its dataset_statistics.json, or with --unnorm-key.',
    );
  }
  return config;
}

export interface CheckpointFacts {
  /** config.json */
  readonly config: Record<string, unknown>;
  /** preprocessor_config.json; null for Prismatic folders, which have none. */
  readonly preprocessor: Record<string, unknown> | null;
  /** dataset_statistics.json; null falls back to config.json's norm_stats. */
  readonly statistics: Record<string, unknown> | null;
  readonly shapes: Shapes;
  /** modeling_prismatic.py, where the folder has it. */
  readonly modelingCode?: string | null;
  /** robot_profile.json of our own exports: robot, head and crop that the weights were trained as. */
  readonly robotProfile?: unknown;
  /** Teach this head of OpenVLA-OFT on the checkpoint instead of using its own way to act: it is bidirectional from then on. */
  readonly teach?: TrainableHead | undefined;
  /** How action tokens come out where there is no head beside them; found from the files when missing. */
  readonly decoding?: Decoding['kind'] | undefined;
  /** A robot profile or the name of a known one; guessed from statistics and shapes when missing. */
  readonly profile?: string | RobotProfile;
  /** Number of images, where it differs from the profile's. */
  readonly images?: number;
  /** Default true, as fine-tuned checkpoints are trained with image augmentation; false for the original OpenVLA's own mixture of datasets. */
  readonly centerCrop?: boolean;
  readonly unnormKey?: string;
  /** `num_diffusion_steps_train` of a diffusion head, which no file of upstream's tells: 50 when missing, finetune.py's default. */
  readonly diffusionSteps?: number;
}

/** @throws ModelError naming what the checkpoint lacks. */
export function policyConfigFromCheckpoint(facts: CheckpointFacts): PolicyConfig {
  const network = networkConfig(facts.config, facts.shapes);
  const given = facts.statistics ?? (facts.config['norm_stats'] as Record<string, unknown> | undefined) ?? {};
  const keys = Object.keys(given);
  const defaultUnnormKey = facts.unnormKey ?? keys[0];
  const proprioDim = facts.shapes.get('proprio_projector.fc1.weight')?.[1] ?? null;
  if (!defaultUnnormKey || !Object.hasOwn(given, defaultUnnormKey)) {
    throw new ModelError(
      'missing-statistics',
      `The checkpoint has statistics for ${keys.join(', ') || 'no dataset'}; ${facts.unnormKey ? `"${facts.unnormKey}" was asked for` : 'one is needed'}.`,
      'Put dataset_statistics.json into the checkpoint folder, or name one of the keys.',
    );
  }
  const file = facts.statistics ? 'dataset_statistics.json' : 'config.json, norm_stats';
  const needs = { actions: headActions(facts.shapes), proprio: proprioDim };
  const statistics = parseStatistics(given, file, needs, defaultUnnormKey);
  const actionDim = statistics[defaultUnnormKey]!.action.q01.length;
  const own = ownConfigIn(facts, { key: defaultUnnormKey, actions: actionDim, state: proprioDim });
  const head = own?.head ?? headIn(facts, statistics);
  const bridge = head === 'bridge' ? bridgeConfig(facts.shapes, network) : null;
  const { generates, denoises } = headOf({ head });
  const base =
    generates && facts.profile === undefined
      ? (knownProfile(defaultUnnormKey, actionDim) ?? mixtureProfile(defaultUnnormKey))
      : profileFor(facts.profile ?? own?.profile, defaultUnnormKey, actionDim);
  const tokens = backboneOf(network.language.kind).tokens(
    network.language.vocabulary,
    wholeNumberIn(facts.config, 'pad_to_multiple_of', 64, network.language.vocabulary - 1),
  );
  if (generates && String(facts.config['llm_backbone_id']).startsWith('vicuna')) {
    throw new ModelError(
      'unsupported',
      `config.json: llm_backbone_id is "${String(facts.config['llm_backbone_id'])}": this is OpenVLA v0.1, which was taught with Vicuna's chat prompt instead of "In: … Out:".`,
      'Use openvla/openvla-7b or a fine-tuning of it. As a base for an OpenVLA-OFT head, npm run convert takes it with --teach.',
    );
  }
  if (facts.diffusionSteps !== undefined && !denoises) {
    throw new ModelError(
      'bad-input',
      `Diffusion steps were given, but the checkpoint has no diffusion head: its head is "${head}".`,
      'Leave them out.',
    );
  }
  const preprocessor = facts.preprocessor ?? defaultPreprocessor(facts.config, network);
  checkPreprocessor(preprocessor, network);
  // Stock Llama is causal; OFT's, with the same weights, is not, nor is what was taught another robot here (`adaptedConfig`).
  const attention = generates ? 'causal' : own ? 'bidirectional' : network.language.attention;
  return parsePolicyConfig({
    network: { ...network, language: { ...network.language, attention } },
    head,
    profile: {
      ...base,
      // The original OpenVLA has no chunks, and always goes by q01 and q99 (its modeling_prismatic.py, predict_action).
      ...(generates ? { chunkSize: 1, normalization: 'bounds_q99' as const } : {}),
      actions: fitDimensions(base.actions, actionDim, 'action'),
      state: proprioDim === null ? null : fitDimensions(base.state, proprioDim, 'state'),
      // The original OpenVLA takes one image and no state.
      images: fitImages(base.images, facts.images ?? (generates ? 1 : base.images.length)),
    },
    // VLA-Adapter's code appends no empty token, and what was taught another robot over its weights was trained without.
    tokens: facts.shapes.has('action_queries.weight') ? { ...tokens, empty: null } : tokens,
    bridge,
    actionBins: wholeNumberIn(facts.config, 'n_action_bins', 256, 65_536),
    diffusion: denoises ? diffusionIn(facts, own) : null,
    preprocessor,
    // openvla-7b itself is evaluated without; fine-tuned policies are trained with augmentation.
    centerCrop: facts.centerCrop ?? own?.centerCrop ?? !(generates && keys.length > 1),
    statistics,
    defaultUnnormKey,
  });
}

/** @throws ModelError `bad-file` */
function wholeNumberIn(
  config: Record<string, unknown>,
  field: string,
  fallback: number,
  most: number,
): number {
  const value = config[field] ?? fallback;
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= most) return value as number;
  throw new ModelError(
    'bad-file',
    `config.json: ${field} is ${JSON.stringify(value)}; a whole number up to ${most} is expected.`,
    'Take config.json and weights from the same checkpoint.',
  );
}

/** Upstream evaluates with 50 steps, or as many as were trained. */
function diffusionIn({ diffusionSteps }: CheckpointFacts, own: OwnConfig | null): PolicyConfig['diffusion'] {
  if (diffusionSteps === undefined) return own?.diffusion ?? UPSTREAM_STEPS;
  return {
    trainSteps: diffusionSteps,
    inferenceSteps: Math.min(diffusionSteps, UPSTREAM_STEPS.inferenceSteps),
  };
}

/** Actions of a step, as the head's last layer has them; null where there is no head of its own. */
function headActions(shapes: Shapes): number | null {
  const head = headAmong(shapes.keys());
  return head && (shapes.get(`${headOf({ head }).prefix}.fc2.weight`)?.[0] ?? null);
}

/** Null without a robot_profile.json, and where another head is to be taught. */
function ownConfigIn(
  { robotProfile, teach, shapes }: CheckpointFacts,
  found: Omit<FoundSizes, 'head'>,
): OwnConfig | null {
  if (!robotProfile || teach) return null;
  return parseOwnConfig(robotProfile, { ...found, head: headAmong(shapes.keys()) });
}

function headIn(facts: CheckpointFacts, statistics: Readonly<Record<string, unknown>>): HeadKind {
  const head = facts.teach ?? headAmong(facts.shapes.keys());
  if (head) return head;
  if (facts.shapes.has('action_queries.weight')) {
    throw new ModelError(
      'missing-tensor',
      'The checkpoint has "action_queries.weight", as VLA-Adapter’s have, but no action head.',
      'Put action_head--N_checkpoint.pt of the same run into the folder.',
    );
  }
  const decoding = facts.decoding ?? decodingOf({ ...facts, statistics }).kind;
  return decoding === 'parallel' ? 'discrete' : 'autoregressive';
}

/** A profile written as JSON, for robots upstream has no constants for. @throws ModelError `bad-input` */
export function parseRobotProfile(json: unknown): RobotProfile {
  const result = v.safeParse(profileSchema, json);
  if (result.success) return result.output;
  const issue = result.issues[0];
  throw new ModelError(
    'bad-input',
    `The robot profile's ${v.getDotPath(issue) ?? 'content'} is wrong: ${issue.message}`,
    'docs/packages.md shows one.',
  );
}

function profileFor(name: string | RobotProfile | undefined, key: string, actionDim: number): RobotProfile {
  if (typeof name === 'object') return name;
  const profile =
    name === undefined
      ? knownProfile(key, actionDim)
      : Object.hasOwn(ROBOT_PROFILES, name)
        ? ROBOT_PROFILES[name]
        : undefined;
  if (!profile) {
    throw new ModelError(
      'bad-input',
      `No robot profile ${name ? `"${name}"` : `follows from the statistics key "${key}"`}.`,
      `Name one with --profile: ${Object.keys(ROBOT_PROFILES).join(', ')}.`,
    );
  }
  return profile;
}

/**
 * One of the robots that the original OpenVLA was trained on at once: their actions were all made one kind (its oxe/transforms.py), so that nothing
 * else depends on which.
 */
const mixtureProfile = (key: string): RobotProfile => ({ ...ROBOT_PROFILES['bridge']!, name: key });

/** A robot that openvla-oft knows, by the key of its statistics or their size. */
export function knownProfile(key: string, actionDim: number): RobotProfile | undefined {
  const name =
    /aloha/i.test(key) || actionDim === 14
      ? 'aloha'
      : /bridge/i.test(key)
        ? 'bridge'
        : /libero/i.test(key)
          ? 'libero'
          : /calvin/i.test(key)
            ? 'calvin'
            : '';
  return ROBOT_PROFILES[name];
}

function fitImages(images: RobotProfile['images'], wanted: number): RobotProfile['images'] {
  return Array.from(
    { length: wanted },
    (_, i) => images[i] ?? { name: `image_${i}`, label: `Camera ${i + 1}` },
  );
}
