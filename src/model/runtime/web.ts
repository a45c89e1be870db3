import { ModelError } from '../../base/errors.ts';
import { requestDevice, type BackendChoice } from './backend.ts';
import { createOrtRuntime } from './ort-runtime.ts';
import type { Runtime } from './runtime.ts';
import type { KernelSource } from './webgpu/kernels/index.ts';
import { isUsable, type KernelReport } from './webgpu/kernel-report.ts';
import { Pipelines } from './webgpu/pipelines.ts';
import { rememberedCheck } from './webgpu/remembered-check.ts';
import type { TuningStore } from './webgpu/tuner.ts';
import { createOwnWebGpuRuntime } from './webgpu/webgpu-runtime.ts';

/** Where the build put onnxruntime's own files; given by the worker, as only it knows the bundler. */
export interface OrtFiles {
  mjs: string;
  wasm: string;
}

/** True where WebAssembly can suspend on promises, so that the smaller and sturdier JSPI build runs. */
export const hasJspi = (): boolean => 'Suspending' in WebAssembly;

/** onnxruntime-web on threads of the CPU. */
export async function createWasmRuntime(options: { threads: number; files?: OrtFiles }): Promise<Runtime> {
  const ort = await import('onnxruntime-web/wasm');
  ort.env.wasm.numThreads = options.threads;
  if (options.files) ort.env.wasm.wasmPaths = options.files;
  return createOrtRuntime({ backend: 'wasm', ort, device: null, executionProviders: ['wasm'] });
}

/** Who executes graphs on WebGPU: our own kernels, or onnxruntime-web. */
export type Executor = 'own' | 'onnxruntime';

/** What the page takes on WebGPU unless its address says otherwise. */
export const DEFAULT_EXECUTOR: Executor = 'own';

interface GpuOptions {
  adapter: GPUAdapter;
  /** Hears of a lost device once. */
  onLost?: ((error: ModelError) => void) | undefined;
  /** Of onnxruntime. */
  files?: OrtFiles | undefined;
  /** Of onnxruntime, for what little runs on the CPU; by default it decides. */
  threads?: number | undefined;
}

/**
 * Our own executor on WebGPU where its kernels compute right on this device, else onnxruntime-web on the same device; `kernelReport`
 * tells which, and why.
 * @param options.kernels for tests of what happens where one is wrong; default ours
 */
export async function createOwnRuntime(
  options: GpuOptions & {
    tuningStore?: TuningStore | null | undefined;
    kernels?: Readonly<Record<string, KernelSource>> | undefined;
  },
): Promise<Runtime> {
  const device = await openDevice(options);
  try {
    const tuningStore = options.tuningStore ?? null;
    const pipelines = new Pipelines(device, options.kernels);
    const check = await rememberedCheck(device, tuningStore, { pipelines });
    if (isUsable(check))
      return createOwnWebGpuRuntime(device, { tuningStore, pipelines, check, styles: check.styles });
    return await createOrtOn(device, options, { executor: 'onnxruntime', check, tuned: [] });
  } catch (error) {
    device.destroy();
    throw error;
  }
}

/** onnxruntime-web on WebGPU, on a device it shares with the kernels. */
export async function createWebGpuRuntime(options: GpuOptions): Promise<Runtime> {
  return createOrtOn(await openDevice(options), options);
}

async function openDevice({ adapter, onLost }: GpuOptions): Promise<GPUDevice> {
  const device = await requestDevice(adapter, 'openvla-web');
  tellWhenLost(device, onLost);
  return device;
}

async function createOrtOn(
  device: GPUDevice,
  { threads, files }: GpuOptions,
  kernelReport?: KernelReport,
): Promise<Runtime> {
  const ort = hasJspi() ? await import('onnxruntime-web/jspi') : await import('onnxruntime-web/webgpu');
  if (threads) ort.env.wasm.numThreads = threads;
  if (files) ort.env.wasm.wasmPaths = files;
  return createOrtRuntime({
    backend: 'webgpu',
    ort,
    device,
    // Assigning env.webgpu.device has no effect in 1.30; the provider option does.
    executionProviders: [{ name: 'webgpu', device }],
    ...(kernelReport ? { kernelReport } : {}),
  });
}

function tellWhenLost(device: GPUDevice, onLost: ((error: ModelError) => void) | undefined): void {
  void device.lost.then((info) => {
    if (info.reason === 'destroyed') return;
    onLost?.(
      new ModelError(
        'device-lost',
        `The GPU device was lost: ${info.message || info.reason}.`,
        'Load the policy again.',
      ),
    );
  });
}

/** @param options.executor on WebGPU; default `DEFAULT_EXECUTOR` */
export async function createWebRuntime(
  choice: BackendChoice,
  adapter: GPUAdapter | null,
  options: {
    files?: (backend: 'wasm' | 'webgpu') => OrtFiles;
    onLost?: (error: ModelError) => void;
    executor?: Executor;
    /** Why onnxruntime was taken, where ours would have been. */
    kernelReport?: KernelReport | undefined;
    /** Where our executor keeps what it measured on an adapter. */
    tuningStore?: (adapter: GPUAdapterInfo) => TuningStore | null;
  } = {},
): Promise<Runtime> {
  const files = options.files?.(choice.backend);
  if (choice.backend === 'wasm')
    return createWasmRuntime({ threads: choice.threads, ...(files ? { files } : {}) });
  if (!adapter) throw new ModelError('no-webgpu', 'WebGPU was chosen without an adapter.');
  const gpu = { adapter, files, onLost: options.onLost };
  if ((options.executor ?? DEFAULT_EXECUTOR) === 'own')
    return createOwnRuntime({ ...gpu, tuningStore: options.tuningStore?.(adapter.info) });
  return createOrtOn(await openDevice(gpu), gpu, options.kernelReport);
}
