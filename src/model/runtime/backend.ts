/** Adapter, device and provider choice. */
import { ModelError } from '../../base/errors.ts';

export type Backend = 'node' | 'wasm' | 'webgpu';

export interface AdapterInfo {
  vendor: string;
  architecture: string;
  description: string;
  isFallback: boolean;
}

export interface BackendChoice {
  backend: 'wasm' | 'webgpu';
  /** One sentence for the user. */
  reason: string;
  adapter: AdapterInfo | null;
  limits: { maxBufferSize: number; maxStorageBufferBindingSize: number } | null;
  threads: number;
}

export interface Host {
  gpu: GPU | undefined;
  crossOriginIsolated: boolean;
  hardwareConcurrency: number;
}

/** More threads than this did not help any model tried, and each one costs memory. */
const MAX_THREADS = 8;

export function currentHost(): Host {
  return {
    gpu: (globalThis.navigator as Navigator | undefined)?.gpu,
    crossOriginIsolated: globalThis.crossOriginIsolated ?? false,
    hardwareConcurrency: globalThis.navigator?.hardwareConcurrency ?? 1,
  };
}

/**
 * A real GPU → WebGPU; a software adapter or none → WASM. On SwiftShader WebGPU reaches 1–2 GFLOPS where
 * two WASM threads reach 50 (docs/measurements.md), so a software adapter is only used when asked for by name.
 */
export async function chooseBackend(
  host: Host,
  wanted: 'auto' | 'wasm' | 'webgpu' | 'webgpu-ort' = 'auto',
): Promise<{ choice: BackendChoice; adapter: GPUAdapter | null }> {
  const preference = wanted === 'webgpu-ort' ? 'webgpu' : wanted;
  const threads = host.crossOriginIsolated ? Math.max(1, Math.min(MAX_THREADS, host.hardwareConcurrency)) : 1;
  const adapter = preference === 'wasm' ? null : await requestAdapter(host.gpu);
  const info = adapter && describe(adapter);
  const limits = adapter && {
    maxBufferSize: adapter.limits.maxBufferSize,
    maxStorageBufferBindingSize: adapter.limits.maxStorageBufferBindingSize,
  };
  const result = (backend: 'wasm' | 'webgpu', reason: string) => ({
    choice: { backend, reason, adapter: info, limits, threads },
    adapter,
  });
  const cpu = `the CPU with ${threads} ${threads === 1 ? 'thread' : 'threads'}`;

  if (preference === 'wasm') return result('wasm', `Asked to run on ${cpu}.`);
  if (!adapter) {
    if (preference === 'webgpu') {
      throw new ModelError(
        'no-webgpu',
        host.gpu ? 'WebGPU is there, but no adapter was found.' : 'This browser has no WebGPU.',
        'Update the browser or the graphics driver, or run on the CPU (WASM).',
      );
    }
    return result(
      'wasm',
      `${host.gpu ? 'No GPU adapter was found' : 'This browser has no WebGPU'}, so it runs on ${cpu}.`,
    );
  }
  if (preference === 'webgpu') return result('webgpu', `Asked to run on WebGPU (${nameOf(info!)}).`);
  if (info!.isFallback)
    return result('wasm', `The only GPU adapter is software (${nameOf(info!)}), so it runs on ${cpu}.`);
  return result('webgpu', `Runs on the GPU (${nameOf(info!)}).`);
}

async function requestAdapter(gpu: GPU | undefined): Promise<GPUAdapter | null> {
  try {
    return (await gpu?.requestAdapter({ powerPreference: 'high-performance' })) ?? null;
  } catch {
    return null; // Some drivers throw instead of answering null.
  }
}

function describe(adapter: GPUAdapter): AdapterInfo {
  const { vendor, architecture, description } = adapter.info;
  return { vendor, architecture, description, isFallback: isSoftware(adapter.info) };
}

/** Whether a CPU plays GPU. */
export function isSoftware({ isFallbackAdapter, architecture, description }: GPUAdapterInfo): boolean {
  return isFallbackAdapter || /swiftshader|llvmpipe|software/i.test(`${architecture} ${description}`);
}

function nameOf(info: AdapterInfo): string {
  return [info.vendor, info.architecture, info.description].filter(Boolean).join(' ') || 'unnamed adapter';
}

/** A device with the adapter's own limits: the default 128 MiB binding is too small for a 7B model. */
export async function requestDevice(adapter: GPUAdapter, label: string): Promise<GPUDevice> {
  // Not `subgroups`: with them onnxruntime-web 1.30 takes a flash-attention kernel whose results were wrong by up to 100 % on SwiftShader
  // (head size a multiple of 4, 98 and more tokens: golden cases aloha-film-l1, libero-diffusion, discrete) and are reported wrong on
  // some NVIDIA cards (onnxruntime #28520, #26715). On an H200 all golden cases held with them (docs/measurements.md), but nothing is
  // known to be gained by them.
  const wanted: GPUFeatureName[] = ['shader-f16', 'timestamp-query'];
  const { limits } = adapter;
  return adapter.requestDevice({
    label,
    requiredFeatures: wanted.filter((feature) => adapter.features.has(feature)),
    requiredLimits: {
      maxBufferSize: limits.maxBufferSize,
      maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
      maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
      maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
      maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
      maxComputeWorkgroupSizeX: limits.maxComputeWorkgroupSizeX,
      maxComputeWorkgroupSizeY: limits.maxComputeWorkgroupSizeY,
      maxComputeWorkgroupSizeZ: limits.maxComputeWorkgroupSizeZ,
      maxComputeWorkgroupsPerDimension: limits.maxComputeWorkgroupsPerDimension,
    },
  });
}
