import { Random } from '../../src/base/random.ts';
import type { Sample } from '../../src/model/finetune/micro-batch.ts';
import type { PolicyConfig } from '../../src/model/policy/config.ts';

/** A sample of random pixels, state and actions that fits a policy. */
export function randomSample({ profile, network }: PolicyConfig, seed = 0): Sample {
  const random = new Random(99, seed);
  const numbers = (length: number) => Float32Array.from({ length }, () => 2 * random.uniform() - 1);
  const side = network.vits[0]!.imageSize;
  return {
    pixels: numbers(profile.images.length * 3 * network.vits.length * side * side),
    promptIds: [1, 5, 6, 7, 8],
    proprio: profile.state ? numbers(profile.state.length) : null,
    actions: numbers(profile.chunkSize * profile.actions.length),
  };
}
