import { describe, expect, it } from 'vitest';
import { reviewDataset } from '../../../src/episodes/quality/review.ts';
import { CHUNK, POLICY, datasetOf, healthy, review, several } from './demonstrations.ts';

describe('few and short episodes', () => {
  it('are counted', async () => {
    expect(await reviewDataset(datasetOf(several(9)), { chunkSize: CHUNK })).toMatchObject([
      {
        id: 'few-episodes',
        severity: 'warning',
        episode: null,
        message: expect.stringContaining('9 episodes'),
      },
    ]);
    expect(await reviewDataset(datasetOf(several(10)), { chunkSize: CHUNK })).toEqual([]);
    expect(await reviewDataset(datasetOf([]), { chunkSize: CHUNK })).toMatchObject([{ id: 'few-episodes' }]);
  });

  it('are named where they are shorter than a chunk', async () => {
    const findings = await review((made) => {
      made[6] = healthy(6, CHUNK - 1);
      made[7] = healthy(7, CHUNK);
    });
    expect(findings.filter(({ id }) => id === 'too-short')).toMatchObject([
      { id: 'too-short', severity: 'warning', episode: 6, message: expect.stringContaining('7 steps') },
    ]);
  });

  it('may have no step at all', async () => {
    const dataset = datasetOf([healthy(0, 0)]);
    const findings = await reviewDataset(dataset, { chunkSize: CHUNK, policy: POLICY });
    expect(findings.map(({ id }) => id)).toEqual(['few-episodes', 'too-short']);
  });
});
