/**
 * AdamW on a GPU as the way back goes: each gradient is used up once it is complete, so that they never lie in memory together. That is
 * possible where nothing has to be known of all of them first: no clipping by their norm, no further micro-batch.
 */
import { sizeOf } from '../graph/types.ts';
import { accumulate } from '../kernels/accumulate.ts';
import { adamw } from '../kernels/adamw.ts';
import { createStorageBuffer, GpuRun, readBuffer } from '../kernels/gpu-run.ts';
import { gradNorm } from '../kernels/grad-norm.ts';
import type { GradientOf } from '../network/tape.ts';
import type { Runtime, Tensor } from '../runtime/runtime.ts';
import type { Slot } from './arena-layout.ts';
import type { AdamWOptions, Kind, StreamedStep } from './arena.ts';

/** Floats of zeros that stand for a gradient that did not come. */
const ZEROS = 2 ** 22;

interface Parts {
  readonly runtime: Runtime;
  readonly device: GPUDevice;
  readonly slots: ReadonlyMap<string, Slot>;
  readonly bufferOf: (kind: Kind, page: number) => GPUBuffer;
}

/** @param step from 1 */
export function streamedStep(
  { runtime, device, slots, bufferOf }: Parts,
  step: number,
  options: AdamWOptions,
): StreamedStep {
  const squares = createStorageBuffer(device, 4, 'squared gradient norm');
  const clip = createStorageBuffer(device, 4, 'no clipping');
  device.queue.writeBuffer(clip, 0, Float32Array.of(1));
  /** Gradients that something further back adds to. */
  const held = new Map<string, GPUBuffer>();
  /** Numbers of each parameter that were stepped. */
  const stepped = new Map<string, number>();

  const update = (run: GpuRun, name: string, start: number, count: number, gradient: GPUBuffer) => {
    const { page, offset } = slots.get(name)!;
    const range = (kind: Kind) => ({
      buffer: bufferOf(kind, page),
      offset: 4 * (offset + start),
      size: 4 * count,
    });
    gradNorm(run, gradient, count, squares);
    adamw(run, range('parameter'), gradient, range('exp_avg'), range('exp_avg_sq'), count, {
      ...options,
      step,
      clip,
    });
    stepped.set(name, (stepped.get(name) ?? 0) + count);
  };
  const hold = (run: GpuRun, name: string, gradient: GPUBuffer, count: number): GPUBuffer => {
    const sum = held.get(name) ?? createStorageBuffer(device, 4 * count, `gradient of ${name}`);
    held.set(name, sum);
    accumulate(run, sum, 0, gradient, count, 1);
    return sum;
  };
  const dispose = () => {
    for (const buffer of [...held.values(), squares, clip]) buffer.destroy();
    held.clear();
  };

  return {
    get begun() {
      return stepped.size > 0;
    },
    sink: async ({ name, rows, last }: GradientOf, gradient: Tensor) => {
      const run = new GpuRun(device, 'adamw of one');
      const count = sizeOf(gradient.shape);
      const own = runtime.gpuBuffer(gradient)!;
      const whole = held.has(name) || !last ? hold(run, name, own, count) : own;
      if (last) update(run, name, rows ? rows.start * gradient.shape.at(-1)! : 0, count, whole);
      run.submit();
      if (!last || whole === own) return;
      whole.destroy();
      held.delete(name);
    },
    finish: async () => {
      const run = new GpuRun(device, 'adamw of the rest');
      for (const [name, sum] of held) update(run, name, 0, slots.get(name)!.count, sum);
      // Torch's zeros, not its None: what is decayed without a gradient is what `Arena.step` decays.
      const rest = [...slots].filter(([name]) => !stepped.has(name));
      const most = Math.min(ZEROS, Math.max(0, ...rest.map(([, { count }]) => count)));
      const zeros = rest.length > 0 ? run.temporary(4 * most, 'zeros') : null;
      for (const [name, { count }] of rest) {
        for (let start = 0; start < count; start += most)
          update(run, name, start, Math.min(most, count - start), zeros!);
      }
      run.submit();
      try {
        const [value] = new Float32Array(await readBuffer(device, squares, 4));
        return Math.sqrt(value!);
      } finally {
        dispose();
      }
    },
    abandon: dispose,
  };
}
