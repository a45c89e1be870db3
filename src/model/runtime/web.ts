import { ModelError } from '../errors.ts';
import { requestDevice, type BackendChoice } from './backend.ts';
import { createOrtRuntime } from './ort-runtime.ts';
import type { Runtime } from './runtime.ts';
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

/** Our own executor on WebGPU. `onLost` hears of a lost device once. */
export async function createOwnRuntime(options: {
  adapter: GPUAdapter;
  onLost?: ((error: ModelError) => void) | undefined;
}): Promise<Runtime> {
  const device = await requestDevice(options.adapter, 'openvla-web');
  tellWhenLost(device, options.onLost);
  return createOwnWebGpuRuntime(device);
}

/**
 * onnxruntime-web on WebGPU, on a device it shares with the kernels. `onLost` hears of a lost device once.
 * @param options.threads for what little runs on the CPU; by default onnxruntime decides
 */
export async function createWebGpuRuntime(options: {
  adapter: GPUAdapter;
  threads?: number;
  files?: OrtFiles;
  onLost?: ((error: ModelError) => void) | undefined;
}): Promise<Runtime> {
  const ort = hasJspi() ? await import('onnxruntime-web/jspi') : await import('onnxruntime-web/webgpu');
  if (options.threads) ort.env.wasm.numThreads = options.threads;
  if (options.files) ort.env.wasm.wasmPaths = options.files;
  const device = await requestDevice(options.adapter, 'openvla-web');
  tellWhenLost(device, options.onLost);
  return createOrtRuntime({
    backend: 'webgpu',
    ort,
    device,
    // Assigning env.webgpu.device has no effect in 1.30; the provider option does.
    executionProviders: [{ name: 'webgpu', device }],
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
  } = {},
): Promise<Runtime> {
  const files = options.files?.(choice.backend);
  if (choice.backend === 'wasm')
    return createWasmRuntime({ threads: choice.threads, ...(files ? { files } : {}) });
  if (!adapter) throw new ModelError('no-webgpu', 'WebGPU was chosen without an adapter.');
  if ((options.executor ?? DEFAULT_EXECUTOR) === 'own')
    return createOwnRuntime({ adapter, onLost: options.onLost });
  return createWebGpuRuntime({
    adapter,
    ...(files ? { files } : {}),
    onLost: options.onLost,
  });
}
