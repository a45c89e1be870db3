/** The vision part as segments: towers block by block, their features side by side, projector. */
import { patchesOf, usedBlocks, type NetworkConfig, type VitConfig } from './config.ts';
import { projector } from './projector.ts';
import type { Segment } from './segment.ts';
import { vitBlock, vitEmbed, vitFeatures } from './vit.ts';

export interface VisionSegmentsOptions {
  /** The images of a sample follow each other; `pixels` hold this many samples. */
  readonly samples: number;
  /** Blocks of a tower to go through; those behind the features are for traced runs. */
  readonly blocksOf?: (vit: VitConfig) => number;
}

/**
 * From `pixels` [samples · images, 3 · backbones, H, W], and with FiLM the mean language embeddings `language` [samples, hidden], to `patches`
 * [samples, images · patches, hidden].
 */
export function visionSegments(
  config: NetworkConfig,
  { samples, blocksOf = usedBlocks }: VisionSegmentsOptions,
): Segment[] {
  const segments = [
    ...config.vits.flatMap((vit, i) => towerSegments(vit, i, blocksOf(vit))),
    joinSegment(config, samples),
  ];
  // Of all parts the cheapest by far: by its size a tenth of a 7B's forward pass, and as much memory as a third of its layers.
  return segments.map((segment) => ({ ...segment, again: 'vision' }));
}

/** Whether `visionSegments` read `language`. */
export const hasFilm = ({ vits }: NetworkConfig): boolean => vits.some(({ film }) => film);

/** Tokens of tower `i` after each block: `tower<i>.0` is what goes into the first. */
function towerSegments(vit: VitConfig, i: number, blocks: number): Segment[] {
  const tower = stageOf(vit);
  const embed: Segment = {
    key: `vit ${i} embed`,
    prefix: vit.prefix,
    inputs: { pixels: 'pixels' },
    outputs: { x: `tower${i}.0` },
    stage: `${tower}/embedded`,
    // Upstream stacks each image's normalisations in backbone order.
    build: (g, scope, { pixels }, tap) => {
      const channels = g.slice(pixels!, 1, 3 * i, 3 * i + 3);
      return { x: vitEmbed(g, vit, scope(''), channels, (value) => tap(`${tower}/patch_embed`, value)) };
    },
  };
  const block = (index: number): Segment => ({
    key: `vit ${i} block`,
    prefix: `${vit.prefix}.blocks.${index}`,
    inputs: { x: `tower${i}.${index}`, ...(vit.film ? { language: 'language' } : {}) },
    outputs: { x: `tower${i}.${index + 1}` },
    stage: `${tower}/block${index}`,
    build: (g, scope, { x, language }, tap) => ({ x: vitBlock(g, vit, scope(''), x!, language, tap) }),
  });
  return [embed, ...Array.from({ length: blocks }, (_, index) => block(index))];
}

/** Concatenates the backbones' features and projects them; images follow each other in the sequence. */
function joinSegment(config: NetworkConfig, samples: number): Segment {
  const { vits } = config;
  return {
    key: `join ${samples}`,
    prefix: '',
    // The features are the output of block depth − 2.
    inputs: Object.fromEntries(vits.map((vit, i) => [`features${i}`, `tower${i}.${usedBlocks(vit)}`])),
    outputs: { patches: 'patches' },
    stage: 'projector_out',
    build: (g, scope, inputs, tap) => {
      const features = vits.map((vit, i) => {
        const value = vitFeatures(g, vit, inputs[`features${i}`]!);
        tap(`${stageOf(vit)}/features`, value);
        return value;
      });
      const joined = g.concat(features, 2);
      const [images, patches, width] = joined.shape as [number, number, number];
      const sequence = g.reshape(joined, [samples, (images / samples) * patches, width]);
      tap('vision/backbone_out', sequence);
      return { patches: projector(g, config, scope('projector'), sequence) };
    },
  };
}

/** A tower as upstream's stages are called. */
const stageOf = (vit: VitConfig): string => vit.prefix.replace('vision_backbone.', 'vision/');

/** Patch tokens of all images of one sample. */
export const imageTokens = ({ vits }: NetworkConfig, images: number): number => patchesOf(vits[0]!) * images;
