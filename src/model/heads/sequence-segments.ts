/** A policy as segments: everything after vision, and in training vision and loss with it. */
import { imageTokens, visionSegments } from '../network/vision.ts';
import { decoderSegments } from '../network/language-segments.ts';
import { proprioSegment } from '../network/proprio.ts';
import type { Segment } from '../network/segment.ts';
import type { HeadConfig, HeadPlace } from './head.ts';
import { headOf, type HeadKind } from './index.ts';

type Config = HeadConfig & { readonly head: HeadKind };

export interface SequenceOptions extends HeadPlace {
  /** Names of the parts of the text. */
  readonly text: readonly string[];
  /** Whether rows are placed by products with `place`, as prompts differ in length. The action queries always are. */
  readonly placed: boolean;
  /** Whether there is a mask of padding; a causal model has its own. */
  readonly padded: boolean;
}

/**
 * From `bos` [B, 1, hidden], `patches` [B, P, hidden], the normalised `state` [B, dim], `time` [B, 1, hidden] and the text's parts [B, n, hidden], as far as the
 * policy has them, to `predicted`.
 */
export function sequenceSegments(config: Config, options: SequenceOptions): Segment[] {
  const { network } = config;
  const head = headOf(config);
  const prefix = prefixParts(config);
  const placed = head.placed === 'queries' || options.placed ? head.placed : null;
  return [
    ...(config.profile.state ? [proprioSegment] : []),
    ...head.embed(config),
    ...decoderSegments(network, {
      parts: ['bos', ...prefix, ...options.text],
      prefix: prefix.length,
      placed,
      masked: options.padded || network.language.attention === 'causal',
    }),
    ...head.forward(config, options),
  ];
}

/**
 * From `pixels` [B · images, 3 · backbones, H, W] on; `text` [B, T, hidden] is one part, `select` and `place` say which rows are the actions'. With the loss, which reads
 * what `Head.given` gives.
 */
export function trainingSegments(
  config: Config & { readonly profile: { readonly images: readonly unknown[] } },
  { size, padded }: { readonly size: number; readonly padded: boolean },
): Segment[] {
  const patches = imageTokens(config.network, config.profile.images.length);
  return [
    ...visionSegments(config.network, { samples: size }),
    ...sequenceSegments(config, { rows: 'select', patches, text: ['text'], placed: true, padded }),
    headOf(config).loss(config),
  ];
}

/** What stands between the first token and the text. */
function prefixParts(config: Config): string[] {
  const { proprio, denoises } = headOf(config);
  const state = config.profile.state && proprio === 'token';
  return ['patches', ...(state ? ['proprio'] : []), ...(denoises ? ['time'] : [])];
}

/** Positions between the first token and the text: patches of all images, proprio, timestep. */
export function prefixTokens(
  config: Config & { readonly profile: { readonly images: readonly unknown[] } },
): number {
  return imageTokens(config.network, config.profile.images.length) + prefixParts(config).length - 1;
}
