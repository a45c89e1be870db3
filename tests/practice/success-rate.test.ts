import { describe, expect, it } from 'vitest';
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
