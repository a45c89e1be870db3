/** preprocessor_config.json of a checkpoint: held against its towers, and made where there is none. */
import { ModelError } from '../../base/errors.ts';
import type { NetworkConfig } from '../network/config.ts';
import { vitBackboneOf } from '../network/vit-registry.ts';
import { parseImageProcessorConfig } from './image-processor-plan.ts';

/** @throws ModelError where images would not come out as the towers take them */
export function checkPreprocessor(json: unknown, { vits }: NetworkConfig): void {
  const found = parseImageProcessorConfig(json).backbones.map(({ height, width }) => `${height} × ${width}`);
  const expected = vits.map(({ imageSize }) => `${imageSize} × ${imageSize}`);
  if (found.join() === expected.join()) return;
  throw new ModelError(
    'bad-file',
    `preprocessor_config.json makes images of ${found.join(' and ')}; the vision backbone takes ${expected.join(' and ')}.`,
    'Take preprocessor_config.json and config.json from the same checkpoint.',
  );
}

/** For folders without preprocessor_config.json: what convert_openvla_weights_to_hf.py would write, bf16 rounding included. */
export function defaultPreprocessor(
  config: Record<string, unknown>,
  network: NetworkConfig,
): Record<string, unknown> {
  const sizes = network.vits.map(({ imageSize }) => imageSize);
  const strategy = config['image_resize_strategy'] ?? 'resize-naive';
  return {
    image_resize_strategy: strategy,
    input_sizes: sizes.map((size) => [3, size, size]),
    interpolations: sizes.map(() => 'bicubic'),
    tvf_resize_params: sizes.map((size) => ({
      antialias: true,
      interpolation: 3,
      max_size: null,
      // Of the other strategies the shorter side; what is longer is cropped, or filled up before.
      size: strategy === 'resize-naive' ? [size, size] : size,
    })),
    means: network.vits.map((of) => vitBackboneOf(of).mean),
    tvf_normalize_params: network.vits.map((of) => vitBackboneOf(of).normalization),
    use_fused_vision_backbone: network.vits.length > 1,
  };
}
