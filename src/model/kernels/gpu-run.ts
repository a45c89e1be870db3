/**
 * How every hand-written kernel is compiled and dispatched.
 *
 * Ownership of buffers: who creates a buffer destroys it. A {@link GpuRun} destroys the temporaries it made when
 * it is submitted (WebGPU keeps their memory until the GPU has finished); `keep` passes one to the caller.
 */
import { ModelError } from '../../base/errors.ts';

/** Values of a kernel's `override` declarations, by name. */
export type KernelConstants = Readonly<Record<string, number | boolean>>;

/** One entry point of one .wgsl file. Its pipelines are cached per device and per set of constants. */
export class GpuKernel {
  readonly label: string;
  readonly #source: string;
  readonly #entryPoint: string;
  readonly #pipelines = new WeakMap<GPUDevice, Map<string, GPUComputePipeline>>();

  constructor(label: string, source: string, entryPoint = 'main') {
    this.label = label;
    this.#source = source;
    this.#entryPoint = entryPoint;
  }

  /** The pipeline for these constants; errors in the shader surface as validation errors of the device. */
  pipeline(device: GPUDevice, constants: KernelConstants = {}): GPUComputePipeline {
    const cache = this.#pipelines.get(device) ?? new Map<string, GPUComputePipeline>();
    this.#pipelines.set(device, cache);
    const key = JSON.stringify(constants);
    const cached = cache.get(key);
    if (cached) return cached;
    const label = `${this.label} ${key}`;
    const numbers = Object.entries(constants).map(([name, value]) => [name, Number(value)] as const);
    const pipeline = device.createComputePipeline({
      label,
      layout: 'auto',
      compute: {
        module: device.createShaderModule({ label, code: this.#source }),
        entryPoint: this.#entryPoint,
        constants: Object.fromEntries(numbers),
      },
    });
    cache.set(key, pipeline);
    return pipeline;
  }
}

/** What a dispatch binds: buffers, parts of buffers or texture views, at bindings 0, 1, 2, … of group 0. */
export type KernelBinding = GPUBuffer | GPUBufferBinding | GPUTextureView;

/** A buffer, or bytes of it from a multiple of 256 on. */
export type BufferRange =
  | GPUBuffer
  | { readonly buffer: GPUBuffer; readonly offset: number; readonly size: number };

/** Records dispatches in order, and owns what they need only until they have run. */
export class GpuRun {
  readonly device: GPUDevice;
  readonly label: string;
  readonly #encoder: GPUCommandEncoder;
  readonly #temporaries = new Set<GPUBuffer>();
  #pass: GPUComputePassEncoder | null = null;

  constructor(device: GPUDevice, label: string) {
    this.device = device;
    this.label = label;
    this.#encoder = device.createCommandEncoder({ label });
  }

  /** An uninitialised (zeroed) storage buffer that lives until {@link submit}, unless it is kept. */
  temporary(byteLength: number, label = 'temporary'): GPUBuffer {
    const buffer = createStorageBuffer(this.device, byteLength, `${this.label} ${label}`);
    this.#temporaries.add(buffer);
    return buffer;
  }

  /** A temporary storage buffer holding `data`. */
  upload(data: Float32Array | Uint32Array | Int32Array | Uint8Array, label = 'upload'): GPUBuffer {
    const buffer = uploadStorageBuffer(this.device, data, `${this.label} ${label}`);
    this.#temporaries.add(buffer);
    return buffer;
  }

  /** A uniform buffer with the fields of a WGSL struct of 4-byte scalars, filled in their order. */
  uniform(fields: readonly (readonly ['u32' | 'i32' | 'f32', number])[]): GPUBuffer {
    const buffer = this.device.createBuffer({
      label: `${this.label} params`,
      size: Math.ceil(fields.length / 4) * 16,
      usage: GPUBufferUsage.UNIFORM,
      mappedAtCreation: true,
    });
    const view = new DataView(buffer.getMappedRange());
    for (const [index, [type, value]] of fields.entries()) {
      if (type === 'f32') view.setFloat32(index * 4, value, true);
      else if (type === 'i32') view.setInt32(index * 4, value, true);
      else view.setUint32(index * 4, value, true);
    }
    buffer.unmap();
    this.#temporaries.add(buffer);
    return buffer;
  }

  /** Hands a temporary over to the caller, who destroys it. */
  keep(buffer: GPUBuffer): GPUBuffer {
    this.#temporaries.delete(buffer);
    return buffer;
  }

  /**
   * @param workgroups counts along x, y, z.
   * @throws ModelError `bad-shape` when they exceed the device's limit.
   */
  dispatch(
    kernel: GpuKernel,
    constants: KernelConstants,
    bindings: readonly KernelBinding[],
    workgroups: readonly [number, number?, number?],
  ): void {
    const limit = this.device.limits.maxComputeWorkgroupsPerDimension;
    if (workgroups.some((count) => (count ?? 1) > limit)) {
      const found = `${kernel.label} needs ${workgroups.join(' x ')} workgroups, the device allows ${limit} a side.`;
      throw new ModelError('bad-shape', found, 'Split the input into fewer rows per call.');
    }
    const pipeline = kernel.pipeline(this.device, constants);
    this.#pass ??= this.#encoder.beginComputePass({ label: this.label });
    this.#pass.setPipeline(pipeline);
    this.#pass.setBindGroup(
      0,
      this.device.createBindGroup({
        label: kernel.label,
        layout: pipeline.getBindGroupLayout(0),
        entries: bindings.map((resource, binding) => ({
          binding,
          resource: isBuffer(resource) ? { buffer: resource } : resource,
        })),
      }),
    );
    this.#pass.dispatchWorkgroups(...workgroups);
  }

  /** Sends everything to the GPU and destroys the temporaries. The run cannot be used afterwards. */
  submit(): void {
    this.#pass?.end();
    this.device.queue.submit([this.#encoder.finish()]);
    this.discard();
  }

  /** Destroys the temporaries without running anything: for a recording that failed half-way. */
  discard(): void {
    for (const buffer of this.#temporaries) buffer.destroy();
    this.#temporaries.clear();
  }
}

/**
 * A storage buffer that can be copied from and to; the caller destroys it.
 *
 * @throws ModelError `out-of-memory` when the device cannot bind that many bytes.
 */
export function createStorageBuffer(device: GPUDevice, byteLength: number, label: string): GPUBuffer {
  requireBindable(device, byteLength, label);
  return device.createBuffer({ label, size: storageSize(byteLength), usage: storageUsage() });
}

/** As {@link createStorageBuffer}, holding `data`. */
export function uploadStorageBuffer(
  device: GPUDevice,
  data: Float32Array | Uint32Array | Int32Array | Uint8Array,
  label: string,
): GPUBuffer {
  requireBindable(device, data.byteLength, label);
  const size = storageSize(data.byteLength);
  const buffer = device.createBuffer({ label, size, usage: storageUsage(), mappedAtCreation: true });
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  new Uint8Array(buffer.getMappedRange()).set(bytes);
  buffer.unmap();
  return buffer;
}

/**
 * Copies a buffer (or `byteLength` bytes of it from `offset`) to the CPU, after all that was submitted.
 *
 * @param source needs COPY_SRC. Offsets and lengths are multiples of 4.
 * @throws ModelError `device-lost`
 */
export async function readBuffer(
  device: GPUDevice,
  source: GPUBuffer,
  byteLength = source.size,
  offset = 0,
): Promise<ArrayBuffer> {
  const staging = device.createBuffer({
    label: `${source.label} staging`,
    size: byteLength,
    usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ,
  });
  try {
    const encoder = device.createCommandEncoder({ label: 'read' });
    encoder.copyBufferToBuffer(source, offset, staging, 0, byteLength);
    device.queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    return staging.getMappedRange().slice(0);
  } catch (error) {
    // Mapping fails when the device is lost or destroyed; whatever else was submitted is gone then, too.
    throw new ModelError(
      'device-lost',
      `The GPU could not be read: ${error instanceof Error ? error.message : String(error)}`,
      'Load the policy again. A fine-tuning run goes on from its last checkpoint.',
      { cause: error },
    );
  } finally {
    staging.destroy();
  }
}

/**
 * Workgroups that give each element of a flat array a thread, along x and then y, since `count` may exceed what one
 * side holds. The kernel's index is `id.y * groups.x * threads + id.x`.
 */
export function flatWorkgroups(device: GPUDevice, count: number, threads: number): [number, number] {
  const groups = Math.ceil(count / threads);
  const side = Math.max(1, Math.min(groups, device.limits.maxComputeWorkgroupsPerDimension));
  return [side, Math.ceil(groups / side)];
}

/** @throws ModelError `out-of-memory` where one binding cannot hold that many bytes. */
export function requireBindable(device: GPUDevice, byteLength: number, what: string): void {
  const limit = Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize);
  if (byteLength <= limit) return;
  throw new ModelError(
    'out-of-memory',
    `${what} has ${byteLength} bytes, this device binds at most ${limit} at once.`,
    'Request the adapter’s maxStorageBufferBindingSize and maxBufferSize with the device, or run this part on the CPU.',
  );
}

// onnxruntime binds the buffers of its WebGPU provider in whole multiples of 16 bytes, and ours may become its inputs.
function storageSize(byteLength: number): number {
  return Math.max(16, Math.ceil(byteLength / 16) * 16);
}

// A function, since Node has GPUBufferUsage only once Dawn is there.
function storageUsage(): number {
  return GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
}

function isBuffer(binding: KernelBinding): binding is GPUBuffer {
  return 'mapState' in binding;
}
