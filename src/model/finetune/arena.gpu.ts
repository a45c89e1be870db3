import { ModelError } from '../../base/errors.ts';
import { sizeOf } from '../graph/types.ts';
import { accumulate } from '../kernels/accumulate.ts';
import { adamw } from '../kernels/adamw.ts';
import { clipFactor, gradNorm } from '../kernels/grad-norm.ts';
import { createStorageBuffer, GpuRun, readBuffer } from '../kernels/gpu-run.ts';
import type { Runtime, Tensor } from '../runtime/runtime.ts';
import type { Arena, Kind } from './arena.ts';
import type { HostTensor } from './trained.ts';

/** Small enough for every device's binding limit, large enough that AdamW takes few dispatches. */
const PAGE_BYTES = 128 * 2 ** 20;

/** Floats: WebGPU binds parts of buffers from multiples of 256 bytes on. */
const ALIGNMENT = 64;

interface Page {
  count: number;
  readonly buffers: Record<Kind | 'gradient', GPUBuffer>;
}

interface Slot {
  readonly page: number;
  /** In floats. */
  readonly offset: number;
  readonly count: number;
}

/**
 * Parameters in pages of flat buffers, so that AdamW is one dispatch a page. Our executor binds them where they lie. onnxruntime
 * binds whole buffers only, so there every parameter has a bound copy, brought up to date after a step.
 */
export function gpuArena(
  runtime: Runtime,
  device: GPUDevice,
  parameters: ReadonlyMap<string, HostTensor>,
): Arena {
  const { slots, pageCounts } = layOut(device, parameters);
  const pages = pageCounts.map((count, i): Page => {
    const buffer = (kind: string) => createStorageBuffer(device, 4 * count, `${kind} page ${i}`);
    return {
      count,
      buffers: {
        parameter: buffer('parameter'),
        gradient: buffer('gradient'),
        exp_avg: buffer('exp_avg'),
        exp_avg_sq: buffer('exp_avg_sq'),
      },
    };
  });
  const tensors = new Map<string, Tensor>();
  const sums = new Map<string, Tensor>();
  const copied = runtime.adoptPart === undefined;
  const bufferOf = (kind: Kind | 'gradient', name: string) => {
    const slot = slots.get(name)!;
    return { slot, buffer: pages[slot.page]!.buffers[kind] };
  };
  const write = (kind: Kind, name: string, data: Float32Array) => {
    const { slot, buffer } = bufferOf(kind, name);
    const bytes = data as Float32Array<ArrayBuffer>;
    device.queue.writeBuffer(buffer, 4 * slot.offset, bytes);
    if (kind === 'parameter' && copied)
      device.queue.writeBuffer(runtime.gpuBuffer(tensors.get(name)!)!, 0, bytes);
  };
  const read = async (kind: Kind | 'gradient', name: string) => {
    const { slot, buffer } = bufferOf(kind, name);
    return new Float32Array(await readBuffer(device, buffer, 4 * slot.count, 4 * slot.offset));
  };
  const copyParameters = () => {
    const encoder = device.createCommandEncoder({ label: 'bound parameters' });
    for (const [name, slot] of slots) {
      const { parameter } = pages[slot.page]!.buffers;
      const bound = runtime.gpuBuffer(tensors.get(name)!)!;
      encoder.copyBufferToBuffer(parameter, 4 * slot.offset, bound, 0, 4 * slot.count);
    }
    device.queue.submit([encoder.finish()]);
  };
  const clearGradients = () => {
    const encoder = device.createCommandEncoder({ label: 'clear gradients' });
    for (const { buffers } of pages) encoder.clearBuffer(buffers.gradient);
    device.queue.submit([encoder.finish()]);
  };
  const dispose = () => {
    for (const tensor of [...tensors.values(), ...sums.values()]) tensor.dispose();
    for (const { buffers } of pages) for (const buffer of Object.values(buffers)) buffer.destroy();
  };
  try {
    for (const [name, { shape, data }] of parameters) {
      const { slot, buffer } = bufferOf('parameter', name);
      const tensor =
        runtime.adoptPart?.(buffer, 4 * slot.offset, shape) ??
        runtime.adopt(createStorageBuffer(device, 4 * sizeOf(shape), name), shape);
      tensors.set(name, tensor);
      const gradient = bufferOf('gradient', name).buffer;
      if (runtime.adoptPart) sums.set(name, runtime.adoptPart(gradient, 4 * slot.offset, shape));
      write('parameter', name, data);
    }
  } catch (error) {
    // The runtime does not count the pages, so nobody else would free them.
    dispose();
    throw error;
  }
  return {
    tensor: (name) => tensors.get(name)!,
    accumulate: async (name, gradient) => {
      const { slot, buffer } = bufferOf('gradient', name);
      const run = new GpuRun(device, 'accumulate');
      accumulate(run, buffer, slot.offset, runtime.gpuBuffer(gradient)!, slot.count, 1);
      run.submit();
    },
    gradientSum: (name) => sums.get(name) ?? null,
    step: async (count, options) => {
      const run = new GpuRun(device, 'adamw');
      const squares = run.keep(run.temporary(4, 'squared gradient norm'));
      for (const page of pages) gradNorm(run, page.buffers.gradient, page.count, squares);
      const clip =
        options.maxGradNorm === null
          ? run.upload(Float32Array.of(1), 'no clipping')
          : clipFactor(run, squares, options.maxGradNorm);
      for (const { buffers, count: length } of pages) {
        const { parameter, gradient, exp_avg: m, exp_avg_sq: v } = buffers;
        adamw(run, parameter, gradient, m, v, length, { ...options, step: count, clip });
      }
      run.submit();
      if (copied) copyParameters();
      clearGradients();
      const [value] = new Float32Array(await readBuffer(device, squares, 4));
      squares.destroy();
      return Math.sqrt(value!);
    },
    clearGradients,
    gradient: (name) => read('gradient', name),
    read,
    write,
    byteLength: pages.reduce((sum, { count }) => sum + 16 * count, 0),
    dispose,
  };
}

/** Places each parameter on a page, where it can be bound; none straddles two. */
function layOut(
  device: GPUDevice,
  parameters: ReadonlyMap<string, HostTensor>,
): { slots: Map<string, Slot>; pageCounts: number[] } {
  const limit = Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize) / 4;
  const wanted = Math.min(PAGE_BYTES / 4, limit);
  const slots = new Map<string, Slot>();
  const pageCounts: number[] = [];
  for (const [name, { shape }] of parameters) {
    const count = sizeOf(shape);
    const room = Math.ceil(count / ALIGNMENT) * ALIGNMENT;
    if (count > limit) {
      throw new ModelError(
        'out-of-memory',
        `"${name}" has ${4 * count} bytes; this GPU binds at most ${4 * limit} at once.`,
        'Take a smaller rank, or fewer targets.',
      );
    }
    const last = pageCounts.length - 1;
    const page = last >= 0 && pageCounts[last]! + room <= Math.max(wanted, room) ? last : last + 1;
    const offset = pageCounts[page] ?? 0;
    slots.set(name, { page, offset, count });
    pageCounts[page] = offset + room;
  }
  return { slots, pageCounts };
}
