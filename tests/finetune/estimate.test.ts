import { describe, expect, it } from 'vitest';
import {
  activationBytes,
  bytesPerParameter,
  checkpointBytes,
  forwardTime,
  stepSeconds,
  whyNot,
  type Demand,
} from '../../src/model/finetune/estimate.ts';
import { openCase } from '../setup/golden-policy.ts';

const GB = 1e9;
const FITS: Demand = {
  memory: { parameters: GB, activations: GB, base: GB },
  memoryLimit: 8 * GB,
  checkpointBytes: GB,
  storageRoom: 10 * GB,
};

describe('what a run asks of the machine', () => {
  it('is no reason to refuse where it fits, or where the machine does not tell', () => {
    expect(whyNot(FITS)).toBeNull();
    expect(whyNot({ ...FITS, memoryLimit: null, storageRoom: null })).toBeNull();
  });

  it('is refused with the numbers and a way out', () => {
    const memory = whyNot({ ...FITS, memoryLimit: 2 * GB })!;
    expect(memory.message).toBe('Training needs about 3.0 GB of memory; there are about 2.0 GB.');
    expect(memory.hint).toContain('smaller');
    const disk = whyNot({ ...FITS, storageRoom: 0.5 * GB })!;
    expect(disk.message).toBe('A checkpoint takes 1.0 GB, and this device has room for 0.5 GB.');
    expect(disk.hint).toContain('Free disk space');
  });

  it('takes its time from passes of one and two samples', () => {
    const time = forwardTime(0.03, 0.04);
    expect(time.perSample).toBeCloseTo(0.01);
    expect(stepSeconds(time, 4, 2)).toBeCloseTo(3 * 2 * (0.02 + 0.04));
    // A disturbed measurement gives no nonsense.
    expect(forwardTime(0.05, 0.03)).toEqual({ fixed: 0.05, perSample: 0 });
    expect(forwardTime(0.02, 0.2)).toEqual({ fixed: 0, perSample: 0.02 });
  });

  it('grows with batch and text, and counts AdamW’s state', async () => {
    const { config } = await openCase('libero-l1');
    for (const partition of ['blocks', 'whole'] as const) {
      const one = activationBytes(config, 1, 80, partition);
      expect(activationBytes(config, 4, 80, partition)).toBe(4 * one);
      expect(activationBytes(config, 1, 160, partition)).toBeGreaterThan(one);
    }
    expect(activationBytes(config, 1, 80, 'whole')).toBeGreaterThan(activationBytes(config, 1, 80, 'blocks'));
    expect(bytesPerParameter(false)).toBe(16);
    expect(bytesPerParameter(false, true)).toBe(12);
    expect(checkpointBytes(100, 10)).toBe(1240);
  });
});
