import type { VitConfig } from './config.ts';
import { dinov2 } from './vit-dinov2.ts';
import { siglip } from './vit-siglip.ts';
import type { TimmVit, VitBackbone } from './vit.ts';

const BACKBONES: readonly VitBackbone[] = [dinov2, siglip];

/** What timm's registry says of a model; heads, for one, cannot be read off the shapes of a checkpoint. */
export function timmModel(name: string): TimmVit | undefined {
  return BACKBONES.flatMap(({ models }) => (Object.hasOwn(models, name) ? [models[name]!] : []))[0];
}

export const timmNames = (): string[] => BACKBONES.flatMap(({ models }) => Object.keys(models));

/** timm's name of a backbone, or null for one that timm does not know. */
export function timmNameOf(vit: VitConfig): string | null {
  const fits = (model: TimmVit, prefixed: boolean) =>
    model.dim === vit.dim &&
    model.depth === vit.depth &&
    model.heads === vit.heads &&
    model.patchSize === vit.patchSize &&
    model.registers === vit.registerTokens &&
    prefixed === vit.classToken &&
    (model.imageSize === undefined || model.imageSize === vit.imageSize);
  for (const { models, prefixed } of BACKBONES) {
    for (const [name, model] of Object.entries(models)) if (fits(model, prefixed)) return name;
  }
  return null;
}

/** The family of a backbone, told by whether tokens stand before its patches. */
export const vitBackboneOf = (vit: VitConfig): VitBackbone => (vit.classToken ? dinov2 : siglip);
