import { expect, it } from 'vitest';
import { openDataset } from '../../src/episodes/open-dataset.ts';
import { largestDifference, storedFolder, truthOf } from './stored-fixture.ts';
import { storedSuite } from './stored-suite.ts';

storedSuite();

it('padded JPEGs of ACT are the pictures that Pillow reads', async () => {
  const truth = await truthOf<{ 'act-jpeg': Record<string, { last: string }> }>('hdf5-variants');
  const dataset = await openDataset(await storedFolder('hdf5-variants/act-jpeg'));
  for (const [index, number] of ['2', '10'].entries()) {
    const episode = await dataset.open(index);
    const { data } = await episode.frame('cam_high', episode.length - 1);
    const rgb = Uint8Array.from(atob(truth['act-jpeg'][number]!.last), (character) =>
      character.charCodeAt(0),
    );
    expect(
      largestDifference(
        data.filter((_, i) => i % 4 < 3),
        rgb,
      ),
    ).toBe(0);
  }
  await dataset.close();
});
