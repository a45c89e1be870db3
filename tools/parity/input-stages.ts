/** What comes before a golden case's network: images, tokens, masks, proprio. */
import type { PolicyConfig } from '../../src/model/policy/config.ts';
import { createImageProcessor } from '../../src/model/policy/image-processor.ts';
import { promptFor } from '../../src/model/policy/prompt.ts';
import { layoutSequence } from '../../src/model/policy/sequence.ts';
import type { Tokenize } from '../../src/model/policy/tokenizer.ts';
import { foldTokens } from './case-config.ts';
import type { Limit } from './compare.ts';
import type { Values } from './family-stages.ts';
import type { GoldenMeta, GoldenTensors } from './golden.ts';
import { joined } from './recorder.ts';
import { EXACT } from './tolerances.ts';

const ones = (length: number) => new Float32Array(length).fill(1);

/** Our values of these stages; they have to be the case's to the bit, but for pixels and proprio. */
export async function fillInputs(
  values: Values,
  limits: Map<string, Limit>,
  io: GoldenTensors,
  meta: GoldenMeta,
  config: PolicyConfig,
  tokenize: Tokenize,
): Promise<void> {
  const processor = createImageProcessor(config.preprocessor, {
    centerCrop: config.centerCrop,
    policyResize: false,
  });
  const pixels: Float32Array[] = [];
  const perVit = config.network.vits.map((): Float32Array[] => []);
  for (let i = 0; i < config.profile.images.length; i++) {
    const [height, width] = io.shape(`images/${i}`) as [number, number];
    const { seen, pixelValues } = processor.process({
      width,
      height,
      data: Uint8Array.from(await io.numbers(`images/${i}`)),
    });
    values.set(`images_center_cropped/${i}`, rgbOf(seen));
    limits.set(`images_center_cropped/${i}`, EXACT);
    pixels.push(pixelValues);
    const size = pixelValues.length / perVit.length;
    perVit.forEach((list, vit) => list.push(pixelValues.slice(vit * size, (vit + 1) * size)));
  }
  values.set('pixel_values', joined(pixels));
  config.network.vits.forEach(({ prefix }, vit) => {
    const name = prefix.replace('vision_backbone.', '');
    perVit[vit]!.forEach((data, i) => values.set(`vision/${name}/img${i}/pixels`, data));
  });

  const promptIds = foldTokens(tokenize(promptFor(meta.spec.prompt, config.network.language.kind)), meta);
  const sequence = layoutSequence(promptIds, config);
  const count = sequence.inputIds.length;
  const exact: Record<string, ArrayLike<number>> = {
    // Upstream does not extend its mask for the empty token it appends; all of it is ones, so nothing comes of that.
    generate_attention_mask: ones(count - 1),
    position_ids: Array.from(
      { length: io.shape('multimodal_embeddings')[1]! + config.profile.actions.length - 1 },
      (_, i) => i,
    ),
    prompt_input_ids: promptIds,
    prompt_attention_mask: ones(promptIds.length),
    input_ids_with_empty_token: sequence.inputIds.slice(0, sequence.actions.start),
    input_ids: sequence.inputIds,
    attention_mask: ones(sequence.inputIds.length),
    multimodal_attention_mask: ones(
      io.shape('multimodal_embeddings')[1]! - (config.head === 'autoregressive' ? 1 : 0),
    ),
    all_actions_mask: sequence.inputIds.map((_, i) =>
      i >= sequence.actions.start && i < sequence.actions.end ? 1 : 0,
    ),
  };
  for (const [stage, data] of Object.entries(exact)) {
    values.set(stage, data);
    limits.set(stage, EXACT);
  }
}

function rgbOf({
  data,
  width,
  height,
}: {
  data: ArrayLike<number>;
  width: number;
  height: number;
}): Uint8Array {
  const channels = data.length / (width * height);
  return Uint8Array.from(
    { length: width * height * 3 },
    (_, i) => data[Math.floor(i / 3) * channels + (i % 3)]!,
  );
}
