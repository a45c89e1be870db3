import { describe, expect, it } from 'vitest';
import { LENGTH, healthy, nothing, review } from './demonstrations.ts';

describe('mixed rates', () => {
  it('are found against the policy’s data', async () => {
    const findings = await review(nothing, { fps: 30 });
    expect(findings).toMatchObject([{ id: 'mixed-rates', episode: null }]);
    expect(findings[0]!.message).toMatch(/10 steps per second.*30/);
    expect(await review(nothing, { fps: 10.5 })).toEqual([]);
  });

  it('are found in an episode that moves far more or less per step', async () => {
    const findings = await review((made) => {
      made[2] = healthy(2, LENGTH, 0.15);
      made[5] = healthy(5, LENGTH, 2);
    });
    expect(findings.filter(({ id }) => id === 'mixed-rates')).toMatchObject([
      { severity: 'warning', episode: 2, message: expect.stringContaining('as little per step') },
    ]);
  });
});
