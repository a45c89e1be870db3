import { Random } from '../../src/base/random.ts';
import { IMAGE_SIZE } from '../../src/practice/image-size.ts';
import { OBJECT_NAMES } from '../../src/practice/objects.ts';
import { ALL_INSTRUCTIONS } from '../../src/practice/tasks.ts';
import type { PretrainSample } from '../../tools/pretrain/records.ts';

/** A sample of noise, of the right shapes. */
export function sampleOf(seed: number): PretrainSample {
  const random = new Random(seed);
  const floats = (length: number, scale: number) =>
    Float32Array.from({ length }, () => scale * (2 * random.uniform() - 1));
  const objects = floats(3 * OBJECT_NAMES.length, 0.1);
  const pixels = floats(2 * OBJECT_NAMES.length, 0).map(() => random.uniform() * IMAGE_SIZE);
  // One object is absent.
  objects.fill(Number.NaN, 12, 15);
  pixels.fill(Number.NaN, 8, 10);
  return {
    images: Uint8Array.from({ length: 2 * IMAGE_SIZE ** 2 * 3 }, () => random.integer(256)),
    state: floats(8, 0.2),
    actions: floats(56, 0.9),
    objects,
    pixels,
    instruction: random.integer(ALL_INSTRUCTIONS.length),
    target: 0,
    destination: seed % 2 === 0 ? 6 : -1,
  };
}
