import { sizeOf } from '../graph/types.ts';
import { accumulate } from '../kernels/accumulate.ts';
import { adamw } from '../kernels/adamw.ts';
import { clipFactor, gradNorm } from '../kernels/grad-norm.ts';
import { createStorageBuffer, GpuRun, readBuffer } from '../kernels/gpu-run.ts';
import type { Runtime, Tensor } from '../runtime/runtime.ts';
import { arenaByteLength, layOutArena } from './arena-layout.ts';
import type { Arena, Kind } from './arena.ts';
import { streamedStep } from './streamed-step.gpu.ts';
import type { HostTensor } from './trained.ts';

interface Page {
  count: number;
  readonly buffers: Record<Kind, GPUBuffer>;
  /** Null where gradients are used up as they come. */
  readonly gradient: GPUBuffer | null;
}

/**
 * Parameters in pages of flat buffers, so that AdamW is one dispatch a page. Our executor binds them where they lie. onnxruntime
 * binds whole buffers only, so there every parameter has a bound copy, brought up to date after a step.
 * @param streamed keep no gradients: each step is a `streamedStep`
 */
export function gpuArena(
  runtime: Runtime,
  device: GPUDevice,
  parameters: ReadonlyMap<string, HostTensor>,
  streamed = false,
): Arena {
  const layout = layOutArena(device.limits, parameters);
  const { slots } = layout;
  const pages = layout.pageCounts.map((count, i): Page => {
    const buffer = (kind: string) => createStorageBuffer(device, 4 * count, `${kind} page ${i}`);
    return {
      count,
      buffers: {
        parameter: buffer('parameter'),
        exp_avg: buffer('exp_avg'),
        exp_avg_sq: buffer('exp_avg_sq'),
      },
      gradient: streamed ? null : buffer('gradient'),
    };
  });
  const tensors = new Map<string, Tensor>();
  const sums = new Map<string, Tensor>();
  const copied = runtime.adoptPart === undefined;
  const bufferOf = (kind: Kind | 'gradient', name: string) => {
    const slot = slots.get(name)!;
    const page = pages[slot.page]!;
    return { slot, buffer: kind === 'gradient' ? kept(page.gradient) : page.buffers[kind] };
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
    for (const { gradient } of pages) if (gradient) encoder.clearBuffer(gradient);
    device.queue.submit([encoder.finish()]);
  };
  const dispose = () => {
    for (const tensor of [...tensors.values(), ...sums.values()]) tensor.dispose();
    for (const { buffers, gradient } of pages)
      for (const buffer of [...Object.values(buffers), gradient]) buffer?.destroy();
  };
  try {
    for (const [name, { shape, data }] of parameters) {
      const { slot, buffer } = bufferOf('parameter', name);
      const tensor =
        runtime.adoptPart?.(buffer, 4 * slot.offset, shape) ??
        runtime.adopt(createStorageBuffer(device, 4 * sizeOf(shape), name), shape);
      tensors.set(name, tensor);
      const { gradient } = pages[slot.page]!;
      if (gradient && runtime.adoptPart) sums.set(name, runtime.adoptPart(gradient, 4 * slot.offset, shape));
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
      for (const { gradient, count: length } of pages) gradNorm(run, kept(gradient), length, squares);
      const clip =
        options.maxGradNorm === null
          ? run.upload(Float32Array.of(1), 'no clipping')
          : clipFactor(run, squares, options.maxGradNorm);
      for (const { buffers, gradient, count: length } of pages) {
        const { parameter, exp_avg: m, exp_avg_sq: v } = buffers;
        adamw(run, parameter, kept(gradient), m, v, length, { ...options, step: count, clip });
      }
      run.submit();
      if (copied) copyParameters();
      clearGradients();
      const [value] = new Float32Array(await readBuffer(device, squares, 4));
      squares.destroy();
      return Math.sqrt(value!);
    },
    stream: streamed
      ? (count, options) =>
          streamedStep(
            { runtime, device, slots, bufferOf: (kind, page) => pages[page]!.buffers[kind] },
            count,
            options,
          )
      : null,
    clearGradients,
    gradient: (name) => read('gradient', name),
    read,
    write,
    byteLength: arenaByteLength(layout, streamed),
    dispose,
  };
}

function kept(gradient: GPUBuffer | null): GPUBuffer {
  if (gradient) return gradient;
  throw new Error('The gradients of this run are used up as they come; none is kept.');
}
