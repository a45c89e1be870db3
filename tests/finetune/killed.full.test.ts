import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openHarness, type Browser } from '../../tools/harness/browser.ts';
import type { DestroyedDevice, KilledTraining } from '../../tools/harness/killed-training-job.ts';
import { servedArguments, serveFolders } from '../../tools/parity/host.ts';

const CASE = servedArguments('tests/golden/siglip-only-l1');

describe('a run in a real Chromium', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await openHarness([serveFolders()]);
  }, 120_000);
  afterAll(async () => {
    await browser.close();
  });

  it('whose worker is terminated twenty times at random moments ends on the same curve', async () => {
    const { whole, killed, savedAfterKill } = await browser.run<KilledTraining>('killed-training', {
      backend: 'wasm',
      kills: 20,
      ...CASE,
    });
    expect(savedAfterKill).toHaveLength(20);
    // Every kill left a whole checkpoint, none older than the one before.
    expect(savedAfterKill).toEqual(savedAfterKill.toSorted((a, b) => a - b));
    expect(savedAfterKill[0]).toBeGreaterThan(0);
    expect(whole).toHaveLength(40);
    expect(killed).toHaveLength(40);
    const worst = Math.max(...whole.map((loss, step) => Math.abs(loss - killed[step]!)));
    expect(worst).toBeLessThanOrEqual(1e-6);
  }, 240_000);

  it('whose GPU device is destroyed in a step says what to do, and resumes on a new device', async () => {
    const result = await browser.run<DestroyedDevice>('destroyed-device', { backend: 'webgpu', ...CASE });
    expect(result.code).toBe('device-lost');
    expect(result.hint).toContain('checkpoint');
    expect(result.resumed).toHaveLength(4);
    // The same shaders on the same kind of device.
    const worst = Math.max(...result.whole.map((loss, step) => Math.abs(loss - result.resumed[step]!)));
    expect(worst).toBeLessThanOrEqual(1e-5);
  }, 240_000);
});
