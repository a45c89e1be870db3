import { describe, expect, it } from 'vitest';
import { augment } from '../../src/model/policy/augment.ts';
import { opaquePixels } from '../../src/model/policy/image-processor.ts';
import { openSafetensors } from '../../src/model/weights/safetensors.ts';
import { memoryReader } from '../../src/io/byte-reader.ts';
import { loadFixture } from '../setup/fixture.ts';

describe('image augmentation', () => {
  it.each([0, 1, 2, 3])('gives TensorFlow’s bytes, seed %i', async (seed) => {
    const golden = await openSafetensors(
      memoryReader(new Uint8Array(await loadFixture('tests/policy/fixtures/augment.safetensors'))),
    );
    const [height, width] = golden.entries.get(`${seed}/image`)!.shape as [number, number, number];
    const data = Uint8Array.from(await golden.readNumbers(`${seed}/image`));
    const [uniform] = await golden.readNumbers(`${seed}/uniform`);
    const ours = augment(opaquePixels({ width, height, data }), uniform!);
    const theirs = await golden.readNumbers(`${seed}/result`);
    let worst = 0;
    let different = 0;
    for (let i = 0; i < theirs.length; i++) {
      const difference = Math.abs(ours.data[Math.floor(i / 3) * 4 + (i % 3)]! - theirs[i]!);
      worst = Math.max(worst, difference);
      if (difference > 0) different += 1;
    }
    // Values are cut off, not rounded, so a rounding error of 1e-7 can move a byte by one.
    expect(worst).toBeLessThanOrEqual(1);
    expect(different / theirs.length).toBeLessThan(0.01);
  });

  it('leaves the frame it was given as it is', () => {
    const image = opaquePixels({ width: 4, height: 4, data: new Uint8Array(48).fill(90) });
    const before = image.data.slice();
    augment(image, 0.3);
    expect(image.data).toEqual(before);
  });
});
