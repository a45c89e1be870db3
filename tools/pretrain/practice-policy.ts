/** The policy that ships with the page: what it is, before it is trained. */
import { Random } from '../../src/base/random.ts';
import type { Shape } from '../../src/model/graph/types.ts';
import { initialModules } from '../../src/model/finetune/modules-init.ts';
import { moduleShapes } from '../../src/model/policy/module-shapes.ts';
import type { HostTensor } from '../../src/model/finetune/trained.ts';
import type { NetworkConfig, VitConfig } from '../../src/model/network/config.ts';
import { parsePolicyConfig, type PolicyConfig } from '../../src/model/policy/config.ts';
import type { DatasetStatistics } from '../../src/model/policy/statistics.ts';
import { initialWeight, networkShapes } from '../../src/model/pretrain/architecture.ts';
import { auxiliaryShapes, type Auxiliaries } from '../../src/model/pretrain/joint-graph.ts';
import { IMAGE_SIZE } from '../../src/practice/image-size.ts';
import { OBJECT_NAMES } from '../../src/practice/objects.ts';
import { TABLE_PROFILE } from '../../src/practice/table-profile.ts';
import { ACTION_BINS, PADDING_ROWS, TOKENS, VOCABULARY } from './tokenizer.ts';

export const UNNORM_KEY = 'practice_table';
const WIDTHS = { vitMlp: 384, llamaMlp: 320 };

const vit = {
  imageSize: IMAGE_SIZE,
  patchSize: 14,
  dim: 96,
  depth: 4,
  heads: 2,
  film: false,
  eps: 1e-6,
} as const;
const dino: VitConfig = {
  ...vit,
  prefix: 'vision_backbone.featurizer',
  classToken: true,
  registerTokens: 4,
  positionsForPatchesOnly: true,
  layerScale: true,
};
const siglip: VitConfig = {
  ...vit,
  prefix: 'vision_backbone.fused_featurizer',
  classToken: false,
  registerTokens: 0,
  positionsForPatchesOnly: true,
  layerScale: false,
};

const NETWORK: NetworkConfig = {
  vits: [dino, siglip],
  projectorLayers: 3,
  language: {
    kind: 'llama',
    hidden: 128,
    layers: 4,
    heads: 2,
    kvHeads: 2,
    vocabulary: VOCABULARY + PADDING_ROWS,
    rmsEps: 1e-6,
    ropeTheta: 10_000,
    attention: 'bidirectional',
    slidingWindow: null,
    tiedEmbeddings: false,
  },
};

/** Objects, then what is to be moved and where to. */
export const AUXILIARIES: Auxiliaries = {
  maps: OBJECT_NAMES.length + 2,
  relative: 6,
  position: 3,
  weights: { maps: 0.03, relative: 0.4, position: 0.03 },
};

const norm = (mean: readonly number[], std: readonly number[]) => ({ inplace: false, mean, std });

export function practiceConfig(statistics: DatasetStatistics): PolicyConfig {
  const size = [IMAGE_SIZE, IMAGE_SIZE];
  return parsePolicyConfig({
    network: NETWORK,
    head: 'l1',
    bridge: null,
    profile: TABLE_PROFILE,
    tokens: TOKENS,
    actionBins: ACTION_BINS,
    diffusion: null,
    preprocessor: {
      image_processor_type: 'PrismaticImageProcessor',
      image_resize_strategy: 'resize-naive',
      input_sizes: [0, 1].map(() => [3, ...size]),
      interpolations: ['bicubic', 'bicubic'],
      tvf_resize_params: [0, 1].map(() => ({ antialias: true, interpolation: 3, max_size: null, size })),
      tvf_crop_params: [0, 1].map(() => ({ output_size: size })),
      tvf_do_letterbox: false,
      tvf_letterbox_fill: null,
      tvf_normalize_params: [
        norm([0.484375, 0.455078125, 0.40625], [0.228515625, 0.2236328125, 0.224609375]),
        norm([0.5, 0.5, 0.5], [0.5, 0.5, 0.5]),
      ],
      use_fused_vision_backbone: true,
    },
    centerCrop: false,
    statistics: { [UNNORM_KEY]: statistics },
    defaultUnnormKey: UNNORM_KEY,
  });
}

const INITIAL = 31;

/** Every weight there is, also those that training leaves alone (the last ViT blocks, lm_head). */
export function initialPolicy(config: PolicyConfig, seed: number): Map<string, HostTensor> {
  const { network } = config;
  const shapes: [string, Shape][] = [
    ...networkShapes(network, WIDTHS),
    ...auxiliaryShapes(network.language.hidden, AUXILIARIES),
  ];
  const weights = new Map<string, HostTensor>();
  shapes.forEach(([name, shape], i) => {
    const depth = name.startsWith('language_model') ? network.language.layers : network.vits[0]!.depth;
    weights.set(name, { shape, data: initialWeight(name, shape, depth, new Random(seed, INITIAL, i)) });
  });
  for (const [name, tensor] of initialModules(moduleShapes(config), new Random(seed, INITIAL, -1)))
    weights.set(name, tensor);
  return weights;
}
