/** WebGPU in Node, on Dawn: the page's own GPU paths on a machine that has a GPU but no browser. */
import { ModelError } from '../../src/base/errors.ts';
import type { Runtime } from '../../src/model/runtime/runtime.ts';
import { createOwnRuntime, createWebGpuRuntime, type Executor } from '../../src/model/runtime/web.ts';
import type { KernelSource } from '../../src/model/runtime/webgpu/kernels/index.ts';
import { openDawnAdapter } from './dawn.ts';

export interface DawnRuntime {
  readonly runtime: Runtime;
  /** The adapter in words. */
  readonly label: string;
  /** Disposes of the runtime, too. */
  readonly release: () => Promise<void>;
}

/**
 * @param kernels of our executor, for tests; default its own
 * Works in a main thread or a forked process (see `openDawnAdapter`).
 * @throws ModelError `no-webgpu` where there is neither a GPU nor a Chromium whose SwiftShader could stand in
 */
export async function createDawnRuntime(
  executor: Executor = 'onnxruntime',
  kernels?: Readonly<Record<string, KernelSource>>,
): Promise<DawnRuntime> {
  const opened = await openDawnAdapter();
  if ('reason' in opened) throw new ModelError('no-webgpu', opened.reason);
  // Our executor, too, leaves it to onnxruntime where a kernel of ours is wrong.
  beNavigable(opened.gpu);
  acceptSharedMemory();
  // One thread, as it would fetch() its own file for the others, which Node does not do for files.
  const options = { adapter: opened.adapter, threads: 1 };
  const runtime = await (executor === 'own'
    ? createOwnRuntime({ ...options, kernels })
    : createWebGpuRuntime(options));
  const release = async (): Promise<void> => {
    await runtime.dispose();
    // What still names it keeps Dawn, and with it the process.
    Reflect.deleteProperty(globalThis.navigator, 'gpu');
    opened.release();
  };
  return { runtime, label: opened.label, release };
}

/** onnxruntime looks for WebGPU in `navigator`, which Node has from version 21 on. */
function beNavigable(gpu: GPU): void {
  const host = globalThis as { navigator?: object };
  host.navigator ??= {};
  Object.defineProperty(host.navigator, 'gpu', { value: gpu, configurable: true });
}

/** onnxruntime writes to buffers straight from its heap, which threads share; Dawn's binding for Node refuses such memory. */
function acceptSharedMemory(): void {
  const { prototype } = GPUQueue;
  // oxlint-disable-next-line typescript/unbound-method -- called with its queue below
  const { writeBuffer } = prototype;
  prototype.writeBuffer = function (buffer, offset, data, start = 0, size?) {
    const { buffer: memory, byteOffset, byteLength, unit } = bytesOf(data);
    const from = start * unit;
    const length = size === undefined ? byteLength - from : size * unit;
    const bytes = new Uint8Array(memory, byteOffset + from, length);
    const own = memory instanceof SharedArrayBuffer ? Uint8Array.from(bytes) : bytes;
    writeBuffer.call(this, buffer, offset, own as BufferSource);
  };
}

/** `writeBuffer` counts offset and size in elements of a typed array, in bytes of anything else. */
function bytesOf(data: AllowSharedBufferSource) {
  if (!ArrayBuffer.isView(data)) return { buffer: data, byteOffset: 0, byteLength: data.byteLength, unit: 1 };
  const unit = 'BYTES_PER_ELEMENT' in data ? (data.BYTES_PER_ELEMENT as number) : 1;
  return { buffer: data.buffer, byteOffset: data.byteOffset, byteLength: data.byteLength, unit };
}
