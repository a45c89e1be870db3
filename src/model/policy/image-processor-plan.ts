/**
 * What happens to a camera frame before the network sees it, as data: both the CPU and the GPU image processor
 * carry out this plan.
 *
 * At deployment upstream does, in order (openvla-oft experiments/robot/openvla_utils.py, prepare_images_for_vla):
 * lanczos3 resize to the policy's size, center crop for policies trained with augmentation, then the checkpoint's
 * PrismaticImageProcessor (prismatic/extern/hf/processing_prismatic.py).
 */
import * as v from 'valibot';
import { ModelError } from '../../base/errors.ts';
import type { PixelWindow } from '../kernels/copy-window.ts';
import { centerCropPositions } from '../kernels/crop-resize.ts';
import type { Normalization } from '../kernels/normalize-pixels.ts';
import type { ResamplePass } from '../kernels/resample.ts';
import {
  pillowTable,
  tensorflowLanczosTable,
  type ResampleFilter,
  type ResampleTable,
} from '../kernels/resample-table.ts';

export type ImageStage =
  | {
      readonly kind: 'policy-resize';
      readonly rows: ResampleTable<Float32Array>;
      readonly columns: ResampleTable<Float32Array>;
    }
  | { readonly kind: 'center-crop'; readonly rows: Float32Array; readonly columns: Float32Array }
  | { readonly kind: 'window'; readonly window: PixelWindow }
  | { readonly kind: 'resample'; readonly pass: ResamplePass<Int32Array> };

/** Stages for all backbones, then for each backbone its own; a backbone without own stages shares `sameAs`'s image. */
export interface ImagePlan {
  readonly common: readonly ImageStage[];
  readonly backbones: readonly {
    readonly stages: readonly ImageStage[];
    /** Index of an earlier backbone that sees the same bytes. */
    readonly sameAs: number | null;
    readonly normalization: Normalization;
    readonly width: number;
    readonly height: number;
  }[];
  /** Channels of the result: three per backbone. */
  readonly channels: number;
}

export interface ImageProcessorOptions {
  /** Center-crop to 90 % of the area, for policies trained with image augmentation. */
  readonly centerCrop: boolean;
  /** Resize frames of another size with lanczos3 first, as upstream does with camera frames. */
  readonly policyResize: boolean;
}

/** The parsed preprocessor_config.json: one entry per backbone, in its order. */
export interface ImageProcessorConfig {
  readonly backbones: readonly BackboneConfig[];
  /** Colour of the border that makes the image square first; null for the other strategies. */
  readonly letterboxFill: readonly [number, number, number] | null;
}

interface BackboneConfig {
  readonly width: number;
  readonly height: number;
  /** Both sides, or the shorter side only. */
  readonly resize: readonly [height: number, width: number] | number;
  readonly filter: ResampleFilter;
  readonly normalization: Normalization;
}

const size = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(8192));
const triple = v.strictTuple([v.number(), v.number(), v.number()]);
const resizeParams = v.object({
  size: v.union([size, v.strictTuple([size]), v.strictTuple([size, size])]),
  interpolation: v.optional(v.number()),
});

const configSchema = v.object({
  image_resize_strategy: v.optional(v.picklist(['resize-naive', 'letterbox', 'resize-crop']), 'letterbox'),
  input_sizes: v.pipe(v.array(v.strictTuple([v.literal(3), size, size])), v.minLength(1), v.maxLength(8)),
  interpolations: v.nullish(v.array(v.string())),
  means: v.nullish(v.array(triple)),
  stds: v.nullish(v.array(triple)),
  tvf_resize_params: v.nullish(v.array(resizeParams)),
  tvf_crop_params: v.nullish(v.array(v.object({ output_size: v.strictTuple([size, size]) }))),
  tvf_do_letterbox: v.nullish(v.boolean()),
  tvf_letterbox_fill: v.nullish(triple),
  tvf_normalize_params: v.nullish(v.array(v.object({ mean: triple, std: triple }))),
});

/** PIL's numbers of the filters, as torchvision stores them. */
const FILTER_CODES: Readonly<Record<number, ResampleFilter>> = { 1: 'lanczos', 2: 'bilinear', 3: 'bicubic' };

/** Of the area, as upstream's center_crop_image. */
const CROP_SCALE = 0.9;

/**
 * Reads upstream's preprocessor_config.json. The `tvf_*` fields, where present, override the rest, as they do
 * when upstream loads the file: official checkpoints hold bf16-rounded means and deviations there.
 *
 * @throws ModelError `bad-package` when a field is missing or wrong, `unsupported` for an unknown filter.
 */
export function parseImageProcessorConfig(json: unknown): ImageProcessorConfig {
  const parsed = v.safeParse(configSchema, json);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    const field = v.getDotPath(issue) ?? 'the file';
    throw new ModelError(
      'bad-package',
      `preprocessor_config.json: ${field}: ${issue.message}`,
      'Take the file of the checkpoint the policy was made from.',
    );
  }
  const config = parsed.output;
  const strategy = config.image_resize_strategy;
  const backbones = config.input_sizes.map(([, height, width], i): BackboneConfig => {
    const crop = config.tvf_crop_params?.[i]?.output_size ?? [height, width];
    const resize =
      config.tvf_resize_params?.[i]?.size ?? (strategy === 'resize-naive' ? [width, width] : width);
    const code = config.tvf_resize_params?.[i]?.interpolation;
    const filter = code === undefined ? named(config.interpolations?.[i] ?? 'bicubic') : FILTER_CODES[code];
    if (!filter) throw unsupportedFilter(String(code));
    const mean = config.tvf_normalize_params?.[i]?.mean ?? config.means?.[i] ?? [0.5, 0.5, 0.5];
    const std = config.tvf_normalize_params?.[i]?.std ?? config.stds?.[i] ?? [0.5, 0.5, 0.5];
    if (std.includes(0))
      throw new ModelError('bad-package', 'preprocessor_config.json: a standard deviation is 0.');
    return {
      height: crop[0],
      width: crop[1],
      resize: Array.isArray(resize) ? (resize.length === 1 ? resize[0] : resize) : resize,
      filter,
      normalization: { mean, std },
    };
  });
  const letterboxed = config.tvf_do_letterbox ?? strategy === 'letterbox';
  // Upstream's loop leaves the last backbone's mean as the fill.
  const mean = config.means?.at(-1) ?? [0.5, 0.5, 0.5];
  const fill = config.tvf_letterbox_fill ?? toTriple(mean.map((value) => Math.trunc(value * 255)));
  return { backbones, letterboxFill: letterboxed ? fill : null };
}

/** The plan for frames of one size. */
export function planImage(
  config: ImageProcessorConfig,
  width: number,
  height: number,
  options: ImageProcessorOptions,
): ImagePlan {
  const common: ImageStage[] = [];
  const first = config.backbones[0]!;
  let at = { width, height };
  const target = { width: first.width, height: first.height };
  if (options.policyResize && (width !== target.width || height !== target.height)) {
    common.push({
      kind: 'policy-resize',
      rows: tensorflowLanczosTable(height, target.height),
      columns: tensorflowLanczosTable(width, target.width),
    });
    at = target;
  }
  if (options.centerCrop) {
    const side = Math.sqrt(Math.fround(CROP_SCALE));
    common.push({
      kind: 'center-crop',
      rows: centerCropPositions(at.height, target.height, side),
      columns: centerCropPositions(at.width, target.width, side),
    });
    at = target;
  }
  if (config.letterboxFill && at.width !== at.height) {
    const window = letterbox(at.width, at.height, config.letterboxFill);
    common.push({ kind: 'window', window });
    at = window;
  }
  const keys: string[] = [];
  const backbones = config.backbones.map((backbone) => {
    const key = JSON.stringify([backbone.resize, backbone.filter, backbone.width, backbone.height]);
    const twin = keys.indexOf(key);
    keys.push(key);
    const stages = twin === -1 ? backboneStages(backbone, at.width, at.height) : [];
    const { normalization } = backbone;
    return {
      stages,
      sameAs: twin === -1 ? null : twin,
      normalization,
      width: backbone.width,
      height: backbone.height,
    };
  });
  const [one, ...others] = backbones;
  if (others.some((other) => other.width !== one!.width || other.height !== one!.height)) {
    throw new ModelError(
      'unsupported',
      'preprocessor_config.json: the backbones want images of different sizes.',
      'Upstream stacks them as channels of one tensor, which needs one size.',
    );
  }
  return { common, backbones, channels: 3 * backbones.length };
}

/** torchvision's resize (Pillow) and center_crop. */
function backboneStages(backbone: BackboneConfig, width: number, height: number): ImageStage[] {
  const stages: ImageStage[] = [];
  const [toHeight, toWidth] = resizedSize(backbone.resize, width, height);
  // Pillow resizes rows, rounds to bytes, then columns, and leaves out what changes nothing.
  if (toWidth !== width) {
    const table = pillowTable(width, toWidth, backbone.filter);
    stages.push({ kind: 'resample', pass: { axis: 'horizontal', table } });
  }
  if (toHeight !== height) {
    const table = pillowTable(height, toHeight, backbone.filter);
    stages.push({ kind: 'resample', pass: { axis: 'vertical', table } });
  }
  if (toWidth !== backbone.width || toHeight !== backbone.height) {
    const window: PixelWindow = {
      width: backbone.width,
      height: backbone.height,
      left: cropOffset(toWidth, backbone.width),
      top: cropOffset(toHeight, backbone.height),
      fill: [0, 0, 0],
    };
    stages.push({ kind: 'window', window });
  }
  return stages;
}

/** torchvision: a single number is the shorter side, the longer one is truncated. */
function resizedSize(
  resize: BackboneConfig['resize'],
  width: number,
  height: number,
): readonly [number, number] {
  if (typeof resize !== 'number') return resize;
  const longer = Math.trunc((resize * Math.max(width, height)) / Math.min(width, height));
  return width <= height ? [longer, resize] : [resize, longer];
}

/** torchvision center_crop: int(round(d / 2)), where Python rounds ties to even; smaller images are padded by d // 2. */
function cropOffset(from: number, to: number): number {
  const half = (from - to) / 2;
  if (half < 0) return -Math.floor(-half);
  const floor = Math.floor(half);
  return half - floor === 0.5 ? floor + (floor % 2) : Math.round(half);
}

/** letterbox_pad_transform: the same border on both sides, so that an odd difference leaves one pixel missing. */
function letterbox(width: number, height: number, fill: PixelWindow['fill']): PixelWindow {
  const side = Math.max(width, height);
  const across = Math.trunc((side - width) / 2);
  const down = Math.trunc((side - height) / 2);
  return { width: width + 2 * across, height: height + 2 * down, left: 0 - across, top: 0 - down, fill };
}

function named(name: string): ResampleFilter {
  if (name === 'bicubic' || name === 'bilinear' || name === 'lanczos') return name;
  throw unsupportedFilter(name);
}

function unsupportedFilter(found: string): ModelError {
  return new ModelError(
    'unsupported',
    `preprocessor_config.json: interpolation is ${found}; bilinear, bicubic and lanczos are known.`,
  );
}

function toTriple(values: readonly number[]): [number, number, number] {
  return [values[0] ?? 0, values[1] ?? 0, values[2] ?? 0];
}
