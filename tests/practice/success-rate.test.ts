import { describe, expect, it } from 'vitest';
import { ensemble } from '../../src/app/practice/ensemble.ts';
import { successRate } from '../../src/practice/success-rate.ts';

describe('success rates', () => {
  it('have Wilson’s interval', () => {
    // statsmodels.stats.proportion.proportion_confint(95, 100, method='wilson') = (0.88825…, 0.97845…)
    const rate = successRate(95, 100);
    expect(rate.rate).toBe(0.95);
    expect(rate.low).toBeCloseTo(0.8883, 3);
    expect(rate.high).toBeCloseTo(0.9785, 3);
  });

  it('never leave 0…1', () => {
    expect(successRate(0, 5).low).toBe(0);
    expect(successRate(5, 5).high).toBeLessThanOrEqual(1);
    expect(successRate(0, 5).high).toBeGreaterThan(0.3);
  });
});

const chunk = (value: number) => Array.from({ length: 4 }, (_, i) => [value, i]);

describe('temporal ensembling', () => {
  it('one chunk is itself', () => {
    expect(ensemble([{ at: 3, actions: chunk(0.5) }], 5)).toEqual([0.5, 2]);
  });

  it('weights the oldest most, by exp(−0.01 i)', () => {
    const chunks = [
      { at: 0, actions: chunk(1) },
      { at: 1, actions: chunk(0) },
    ];
    const w = Math.exp(-0.01);
    expect(ensemble(chunks, 1)[0]).toBeCloseTo(1 / (1 + w), 12);
  });

  it('chunks that are over have no say', () => {
    const chunks = [
      { at: 0, actions: chunk(9) },
      { at: 4, actions: chunk(1) },
    ];
    expect(ensemble(chunks, 4)[0]).toBe(1);
  });
});
