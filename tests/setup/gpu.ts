/**
 * The WebGPU device of a test file, on either host: Dawn in Node, the browser's own in Chromium.
 *
 * Where there is none, GPU suites are skipped with the reason in their title and on the console. On Linux with
 * Chromium there is always SwiftShader, so there a missing device is a failure.
 */
import { afterAll, describe, expect } from 'vitest';

type TestGpu = { device: GPUDevice; label: string; release: () => void } | { device: null; reason: string };

const gpu = await open();
if (gpu.device === null) console.warn(`GPU suites are skipped: ${gpu.reason}`);

afterAll(() => {
  if (gpu.device !== null) gpu.release();
});

/** A suite that needs a device; `body` gets it, and registers tests that do not run where there is none. */
export function describeGpu(title: string, body: (device: GPUDevice) => void): void {
  const host = gpu.device === null ? `skipped: ${gpu.reason}` : gpu.label;
  describe.skipIf(gpu.device === null)(`${title} [${host}]`, () => {
    body(gpu.device as GPUDevice);
  });
}

/** Runs `work` and fails when WebGPU reports a validation or memory error meanwhile. */
export async function withoutGpuErrors<T>(device: GPUDevice, work: () => Promise<T>): Promise<T> {
  device.pushErrorScope('validation');
  device.pushErrorScope('out-of-memory');
  try {
    return await work();
  } finally {
    for (const error of [await device.popErrorScope(), await device.popErrorScope()]) {
      expect(error?.message ?? null).toBeNull();
    }
  }
}

async function open(): Promise<TestGpu> {
  if (typeof window === 'undefined') {
    const { openDawn } = await import('../../tools/node/dawn.ts');
    const { chromiumVulkan, findChromium } = await import('../../tools/node/find-chromium.ts');
    const opened = await openDawn();
    if ('device' in opened) return opened;
    const chromium = process.platform === 'linux' ? await findChromium() : null;
    if (chromium !== null && chromiumVulkan(chromium) !== null) throw new Error(opened.reason);
    return { device: null, reason: opened.reason };
  }
  // lib.dom types navigator.gpu as always there; browsers without WebGPU disagree.
  const entry = (navigator as { gpu?: GPU }).gpu;
  const adapter = (await entry?.requestAdapter()) ?? null;
  if (adapter === null) {
    const reason = entry ? 'this browser has no WebGPU adapter.' : 'this browser has no WebGPU.';
    if (navigator.userAgent.includes('Linux'))
      throw new Error(`${reason} Chromium on Linux ships SwiftShader.`);
    return { device: null, reason };
  }
  const device = await adapter.requestDevice({ label: 'browser' });
  const { vendor, architecture } = adapter.info;
  return { device, label: `Chromium (${vendor} ${architecture})`, release: () => device.destroy() };
}
