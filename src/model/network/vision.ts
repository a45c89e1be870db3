/** The vision part as one graph: towers, their features side by side, projector. */
import type { GraphBuilder } from '../graph/builder.ts';
import type { Value } from '../graph/types.ts';
import { usedBlocks, type NetworkConfig, type VitConfig } from './config.ts';
import { projector } from './projector.ts';
import type { Scope, Tap } from './scope.ts';
import { vitBlock, vitEmbed, vitFeatures } from './vit.ts';

export interface VisionGraphOptions {
  /** Mean language embeddings [samples, hidden], for FiLM. */
  readonly language?: Value | undefined;
  readonly samples: number;
  readonly tap: Tap;
  /** Blocks of a tower to go through; those behind the features are for traced runs. */
  readonly blocksOf?: (vit: VitConfig) => number;
}

/** Pixels [samples · images, 3 · backbones, H, W] → patch tokens [samples, images · patches, hidden]. */
export function visionGraph(
  g: GraphBuilder,
  config: NetworkConfig,
  scope: (name: string) => Scope,
  pixels: Value,
  { language, samples, tap, blocksOf = usedBlocks }: VisionGraphOptions,
): Value {
  const features = config.vits.map((vit, i) => {
    const tower = scope(vit.prefix);
    let x = vitEmbed(g, vit, tower, channelsOf(g, pixels, i), stageTap(tap, vit));
    let output = x;
    for (let block = 0; block < blocksOf(vit); block++) {
      x = vitBlock(g, vit, tower.child(`blocks.${block}`), x, language, stageTap(tap, vit, block));
      tap(`${stageOf(vit)}/block${block}`, x);
      if (block === usedBlocks(vit) - 1) output = featuresOf(g, vit, x, tap);
    }
    return output;
  });
  return joinFeatures(g, config, scope('projector'), features, samples, tap);
}

/** The three channels of backbone `i`: upstream stacks each image's normalisations in backbone order. */
export function channelsOf(g: GraphBuilder, pixels: Value, i: number): Value {
  return g.slice(pixels, 1, 3 * i, 3 * i + 3);
}

export function featuresOf(g: GraphBuilder, vit: VitConfig, x: Value, tap: Tap): Value {
  const features = vitFeatures(g, vit, x);
  tap(`${stageOf(vit)}/features`, features);
  return features;
}

/** Concatenates the backbones' features and projects them; images follow each other in the sequence. */
export function joinFeatures(
  g: GraphBuilder,
  config: NetworkConfig,
  scope: Scope,
  features: readonly Value[],
  samples: number,
  tap: Tap,
): Value {
  const joined = g.concat(features, 2);
  const [images, patches, width] = joined.shape as [number, number, number];
  const sequence = g.reshape(joined, [samples, (images / samples) * patches, width]);
  tap('vision/backbone_out', sequence);
  return projector(g, config, scope, sequence);
}

/** A tower as upstream's stages are called. */
export const stageOf = (vit: VitConfig): string => vit.prefix.replace('vision_backbone.', 'vision/');

export function stageTap(tap: Tap, vit: VitConfig, block?: number): Tap {
  const prefix = block === undefined ? `${stageOf(vit)}/` : `${stageOf(vit)}/block${block}.`;
  return (name, value) => tap(prefix + name, value);
}
