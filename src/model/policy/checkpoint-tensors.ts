/** What a policy computes with, tensor by tensor: a checkpoint that lacks one, or has more than is computed, is known before it is converted. */
import { ModelError } from '../../base/errors.ts';
import type { Shape } from '../graph/types.ts';
import { headOf } from '../heads/index.ts';
import { shapeOf, type Shapes } from '../network/checkpoint-shapes.ts';
import { headDimOf } from '../network/decoder.ts';
import { isModuleWeight } from '../network/loaded-weights.ts';
import { backboneOf, type LanguageConfig } from '../network/language.ts';
import type { VitConfig } from '../network/config.ts';
import type { PolicyConfig } from './config.ts';
import { moduleShapes } from './module-shapes.ts';

/** In checkpoints, and never run: a tower's last norm and attention pooling; rotary frequencies that old versions of transformers saved. */
const NEVER_RUN =
  /^vision_backbone\.\w+\.(attn_pool|norm|fc_norm|head|mask_token)(\.|$)|\.rotary_emb\.inv_freq$/;
const NAMED = 3;

export interface TensorNeeds {
  /** A head is to be taught, so that there need be none. */
  readonly teach: boolean;
  /** The folder says itself what was trained over these weights: what they had before may still lie there. */
  readonly own: boolean;
}

/**
 * @throws ModelError `missing-tensor`, `bad-shape` for one that does not fit the others, `unsupported` for those that nothing here computes with
 */
export function checkTensors(shapes: Shapes, config: PolicyConfig, { teach, own }: TensorNeeds): void {
  const { network } = config;
  const known = new Set<string>();
  const has = (name: string, expected: Shape) => {
    known.add(name);
    refuseShape(name, shapeOf(shapes, name), expected);
  };
  const may = (name: string, expected: Shape) => {
    if (shapes.has(name)) has(name, expected);
  };
  for (const vit of network.vits) checkTower(vit, shapes, has);
  checkProjector(config, shapes, has);
  checkLanguage(network.language, shapes, has, may);
  const table: Shape = [network.language.vocabulary, network.language.hidden];
  const ownHead = headOf(config).lmHead && !network.language.tiedEmbeddings;
  (ownHead ? has : may)('language_model.lm_head.weight', table);
  for (const [name, shape] of moduleShapes(config)) {
    // FiLM's layers are a tower's own.
    const untrained = teach && isModuleWeight(name);
    (untrained ? may : has)(name, shape);
  }
  const left = [...shapes.keys()].filter((name) => !known.has(name) && !NEVER_RUN.test(name));
  refuseOthers(
    left.filter((name) => !(isModuleWeight(name) && (teach || (own && !name.startsWith('action_head.'))))),
    config,
  );
}

type Expect = (name: string, shape: Shape) => void;

function checkTower(vit: VitConfig, shapes: Shapes, has: Expect): void {
  const { prefix, dim, patchSize, depth, preNorm } = vit;
  const linear = (name: string, outputs: number, inputs: number) => {
    has(`${name}.weight`, [outputs, inputs]);
    has(`${name}.bias`, [outputs]);
  };
  const norm = (name: string) => {
    has(`${name}.weight`, [dim]);
    has(`${name}.bias`, [dim]);
  };
  has(`${prefix}.patch_embed.proj.weight`, [dim, 3, patchSize, patchSize]);
  // timm gives the convolution none where a norm follows it.
  if (preNorm) norm(`${prefix}.norm_pre`);
  else has(`${prefix}.patch_embed.proj.bias`, [dim]);
  has(`${prefix}.pos_embed`, [1, shapeOf(shapes, `${prefix}.pos_embed`)[1]!, dim]);
  if (vit.classToken) has(`${prefix}.cls_token`, [1, 1, dim]);
  if (vit.registerTokens > 0) has(`${prefix}.reg_token`, [1, vit.registerTokens, dim]);
  const inner = shapeOf(shapes, `${prefix}.blocks.0.mlp.fc1.weight`)[0]!;
  for (let i = 0; i < depth; i++) {
    const block = `${prefix}.blocks.${i}`;
    norm(`${block}.norm1`);
    linear(`${block}.attn.qkv`, 3 * dim, dim);
    linear(`${block}.attn.proj`, dim, dim);
    norm(`${block}.norm2`);
    linear(`${block}.mlp.fc1`, inner, dim);
    linear(`${block}.mlp.fc2`, dim, inner);
    if (vit.layerScale) for (const part of ['ls1', 'ls2']) has(`${block}.${part}.scale_factor`, [dim]);
  }
}

function checkProjector({ network }: PolicyConfig, shapes: Shapes, has: Expect): void {
  const vision = network.vits.reduce((sum, { dim }) => sum + dim, 0);
  let inputs = vision;
  for (let layer = 1; layer <= network.projectorLayers; layer++) {
    const last = layer === network.projectorLayers;
    const outputs = last ? network.language.hidden : shapeOf(shapes, `projector.fc${layer}.weight`)[0]!;
    has(`projector.fc${layer}.weight`, [outputs, inputs]);
    has(`projector.fc${layer}.bias`, [outputs]);
    inputs = outputs;
  }
}

function checkLanguage(language: LanguageConfig, shapes: Shapes, has: Expect, may: Expect): void {
  const { hidden, heads, kvHeads, layers, vocabulary, kind } = language;
  const keys = headDimOf(language) * kvHeads;
  const root = 'language_model.model';
  const inner = shapeOf(shapes, `${root}.layers.0.mlp.gate_proj.weight`)[0]!;
  has(`${root}.embed_tokens.weight`, [vocabulary, hidden]);
  const products: [string, number, number][] = [
    ['self_attn.q_proj', headDimOf(language) * heads, hidden],
    ['self_attn.k_proj', keys, hidden],
    ['self_attn.v_proj', keys, hidden],
    ['self_attn.o_proj', hidden, hidden],
    ['mlp.gate_proj', inner, hidden],
    ['mlp.up_proj', inner, hidden],
    ['mlp.down_proj', hidden, inner],
  ];
  const { biases } = backboneOf(kind);
  for (let i = 0; i < layers; i++) {
    const layer = `${root}.layers.${i}`;
    for (const norm of ['input_layernorm', 'post_attention_layernorm'])
      has(`${layer}.${norm}.weight`, [hidden]);
    for (const [name, outputs, inputs] of products) {
      has(`${layer}.${name}.weight`, [outputs, inputs]);
      // `attention_bias` and `mlp_bias` of transformers are computed, too.
      (biases.includes(name) ? has : may)(`${layer}.${name}.bias`, [outputs]);
    }
  }
  has(`${root}.norm.weight`, [hidden]);
}

function refuseShape(name: string, found: Shape, expected: Shape): void {
  if (found.join() === expected.join()) return;
  throw new ModelError(
    'bad-shape',
    `"${name}" is [${found.join(', ')}]; with the other tensors, config.json and the robot it has to be [${expected.join(', ')}].`,
    isModuleWeight(name)
      ? 'The file belongs to another checkpoint or another robot, or its code was changed.'
      : 'Take all files from the same checkpoint.',
  );
}

function refuseOthers(names: readonly string[], { head }: PolicyConfig): void {
  const [first] = names;
  if (first === undefined) return;
  const more = names.length > NAMED ? ` and ${names.length - NAMED} more` : '';
  const listed = names.slice(0, NAMED).map((name) => `"${name}"`);
  const module = names.find(isModuleWeight);
  throw new ModelError(
    'unsupported',
    `The checkpoint holds ${listed.join(', ')}${more}, which is not computed with: it would act otherwise than it was trained.`,
    module
      ? `Its head was taken for "${head}". Remove ${module.split('.')[0]}'s file if it is of another run; else its code differs from upstream’s.`
      : 'Its code differs from upstream’s, or config.json is of another checkpoint.',
  );
}
