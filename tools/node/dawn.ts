/**
 * WebGPU in Node: Dawn (npm `webgpu`) on a real GPU where there is one, else on the SwiftShader that
 * Chromium ships.
 */
import { existsSync, readdirSync } from 'node:fs';
import { chromiumVulkan, findChromium } from './find-chromium.ts';

/** A device opened by {@link openDawn}. */
export interface DawnDevice {
  device: GPUDevice;
  adapter: GPUAdapter;
  /** Adapter in words, for reports. */
  label: string;
  /** Destroys the device and lets go of Dawn. Node does not exit before this is called. */
  release(): void;
}

/** RTLD_NOW | RTLD_NODELETE: the library stays although it is no Node addon. */
const KEEP_LOADED = 0x1002;

/** An adapter opened by {@link openDawnAdapter}, for one device. */
export interface DawnAdapter {
  gpu: GPU;
  adapter: GPUAdapter;
  /** In words, for reports. */
  label: string;
  /**
   * Lets go of Dawn, once the adapter's device is destroyed. Node does not exit before
   * (https://issues.chromium.org/issues/387965810).
   */
  release(): void;
}

/**
 * Opens a WebGPU device in Node. The caller owns it and calls `release()`.
 *
 * @param limits limits to ask for where they differ from WebGPU's defaults.
 * @returns the device, or the reason why there is none, in a sentence.
 */
export async function openDawn(
  limits: Record<string, number> = {},
): Promise<DawnDevice | { reason: string }> {
  const opened = await openDawnAdapter();
  if ('reason' in opened) return opened;
  const device = await opened.adapter.requestDevice({ label: 'dawn', requiredLimits: limits });
  const release = (): void => {
    device.destroy();
    opened.release();
  };
  return { adapter: opened.adapter, label: opened.label, device, release };
}

/**
 * Finds an adapter in Node.
 *
 * A Vulkan driver is chosen by an environment variable and in this process, so it works in a main thread or a
 * forked process, not in a worker thread. `VK_ICD_FILENAMES`, when set, is respected.
 *
 * @returns the adapter, or the reason why there is none, in a sentence.
 */
export async function openDawnAdapter(): Promise<DawnAdapter | { reason: string }> {
  const { create, globals } = await import('webgpu');
  // GPUBufferUsage and its like are globals in a browser.
  Object.assign(globalThis, globals);

  const chromium = process.platform === 'linux' ? await findChromium() : null;
  const vulkan = chromium === null ? null : chromiumVulkan(chromium);
  if (vulkan?.loader && !load('libvulkan.so.1')) load(vulkan.loader);
  // Dawn complains on the console when a loader has no driver, so it is asked only where one is installed.
  if (vulkan && !hasVulkanDriver()) process.env['VK_ICD_FILENAMES'] = vulkan.icd;
  let gpu: GPU | null = create([]);
  let adapter = await requestAdapter(gpu);
  const software = adapter === null || adapter.info.isFallbackAdapter;
  // Debian's lavapipe is a software adapter too, but lacks what Dawn needs; SwiftShader serves.
  if (software && vulkan && !process.env['VK_ICD_FILENAMES']) {
    process.env['VK_ICD_FILENAMES'] = vulkan.icd;
    gpu = create([]);
    adapter = await requestAdapter(gpu);
  }
  if (adapter === null) return { reason: missing(chromium, vulkan !== null) };
  const { vendor, architecture, description } = adapter.info;
  const label = `Dawn (${[vendor, architecture, description].filter(Boolean).join(' ')})`;
  const opened: { gpu: GPU | null } = { gpu };
  return {
    get gpu() {
      return opened.gpu!;
    },
    adapter,
    label,
    release: () => {
      opened.gpu = null;
    },
  };
}

async function requestAdapter(gpu: GPU): Promise<GPUAdapter | null> {
  return gpu.requestAdapter({ powerPreference: 'high-performance' });
}

/**
 * Loads a Vulkan loader under the name by which Dawn will look it up.
 *
 * Without a system-wide libvulkan Dawn finds none, and LD_LIBRARY_PATH is read only when a process starts.
 * `process.dlopen` complains that the library is no Node addon, after having loaded it; glibc then answers
 * Dawn's own dlopen("libvulkan.so.1") with the library in memory.
 *
 * @returns false where there is no such library.
 */
function load(library: string): boolean {
  try {
    process.dlopen({ exports: {} }, library, KEEP_LOADED);
    return true;
  } catch (error) {
    return String(error).includes('did not self-register');
  }
}

/** Whether this machine has a driver in a place where the Vulkan loader looks, or names one itself. */
function hasVulkanDriver(): boolean {
  if (process.env['VK_ICD_FILENAMES'] || process.env['VK_DRIVER_FILES']) return true;
  return ['/etc', '/usr/share', '/usr/local/etc', '/usr/local/share'].some((root) => {
    const folder = `${root}/vulkan/icd.d`;
    return existsSync(folder) && readdirSync(folder).some((name) => name.endsWith('.json'));
  });
}

function missing(chromium: string | null, hasVulkan: boolean): string {
  if (process.platform !== 'linux') return 'Dawn found no GPU adapter on this machine.';
  if (chromium === null)
    return 'No GPU, and no Chromium whose SwiftShader could stand in; install one or set CHROMIUM_PATH.';
  if (!hasVulkan) return `No GPU, and ${chromium} ships no vk_swiftshader_icd.json.`;
  return `No adapter, although VK_ICD_FILENAMES is ${process.env['VK_ICD_FILENAMES'] ?? 'not set'}.`;
}
