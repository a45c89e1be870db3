import type { VitConfig } from './config.ts';
import { clip } from './vit-clip.ts';
import { dinov2 } from './vit-dinov2.ts';
import { imagenet } from './vit-imagenet.ts';
import { siglip } from './vit-siglip.ts';
import type { TimmVit, VitBackbone } from './vit.ts';

const BACKBONES: readonly VitBackbone[] = [dinov2, siglip, clip, imagenet];

/** What timm's registry says of a model; heads, for one, cannot be read off the shapes of a checkpoint. */
export function timmModel(name: string): TimmVit | undefined {
  return BACKBONES.flatMap(({ models }) => (Object.hasOwn(models, name) ? [models[name]!] : []))[0];
}

/** The family that a timm model is of. */
export const vitBackboneNamed = (name: string): VitBackbone | undefined =>
  BACKBONES.find(({ models }) => Object.hasOwn(models, name));

export const timmNames = (): string[] => BACKBONES.flatMap(({ models }) => Object.keys(models));

/** timm's name of a backbone, or null for one that timm does not know. */
export function timmNameOf(vit: VitConfig): string | null {
  const fits = (model: TimmVit) =>
    model.dim === vit.dim &&
    model.depth === vit.depth &&
    model.heads === vit.heads &&
    model.patchSize === vit.patchSize &&
    model.registers === vit.registerTokens &&
    (model.imageSize === undefined || model.imageSize === vit.imageSize);
  const { models } = vitBackboneOf(vit);
  return Object.keys(models).find((name) => fits(models[name]!)) ?? null;
}

/** The family of a backbone, told by its tensors. */
export const vitBackboneOf = (vit: VitConfig): VitBackbone =>
  BACKBONES.find(({ isOf }) => isOf(vit)) ?? (vit.classToken ? dinov2 : siglip);
