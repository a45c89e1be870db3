import { ModelError } from '../../../base/errors.ts';
import { sizeOf, type Graph, type Shape } from '../../graph/types.ts';
import { readBuffer, uploadStorageBuffer } from '../../kernels/gpu-run.ts';
import { decodeFloat32, type EncodedTensor } from '../../weights/encoding.ts';
import { isSoftware } from '../backend.ts';
import { watchDevice } from '../device-errors.ts';
import { indexedScales } from '../../weights/few-scales.ts';
import { Ledger } from '../ledger.ts';
import type { CompileOptions, Program, Runtime, Tensor, Tensors } from '../runtime.ts';
import { Arena, BufferPool } from './buffers.ts';
import { compilePlan } from './compile.ts';
import { GpuTensor } from './gpu-tensor.ts';
import { checkGuards, checkTail, fillWithPattern, GUARD_BYTES } from './guard.ts';
import { pageLimitOf, planMemory, type MemoryPlan } from './memory-plan.ts';
import { Pipelines } from './pipelines.ts';
import type { Plan, Step, Style, Styles } from './plan.ts';
import type { KernelCheck } from './kernel-report.ts';
import type { PlannedMemory } from './planning-runtime.ts';
import { GpuProgram } from './program.ts';
import { Tuner, type Tuned, type TuningStore } from './tuner.ts';

/** Our own executor of graphs, on WebGPU. Disposing of the runtime destroys the device, unless it was told not to. */
export interface OwnWebGpuRuntime extends Runtime {
  /** Runs a graph by a plan that was made, or changed, elsewhere. */
  compilePlanned(graph: Graph, plan: Plan): Promise<Program>;
  /** How products are computed on this device, and which variants were wrong. */
  readonly tuning: readonly Tuned[];
  /** Bytes that are allocated now, as `createPlanningRuntime` counts them. */
  readonly memory: PlannedMemory;
  /** Bytes of tensors at the worst moment so far. */
  readonly peakTensors: number;
}

export interface OwnWebGpuOptions {
  /** Default: `direct` on a software adapter, else `tiled`. */
  readonly style?: Style;
  /** Subjects that are computed in another style, as that of the device is wrong there; products are tuned then whatever the device. */
  readonly styles?: Styles;
  /** Debugging: look after each run whether something was written outside of tensors, and throw then. Default false. */
  readonly guard?: boolean;
  /** Check variants of products on the device and take the fastest. Default: on anything but a software adapter. */
  readonly tune?: boolean;
  /** Where choices are kept between visits. */
  readonly tuningStore?: TuningStore | null;
  /** What the self-check found, for the runtime's report. */
  readonly check?: KernelCheck | null;
  /** Shared with who used the device before; by default the runtime's own. */
  readonly pipelines?: Pipelines;
  /** Entries of the tables of scales (`few-scales.ts`), for tests and checks of small weights. Default: as many as large weights have. */
  readonly scaleTable?: number;
  /** Whether `dispose` destroys the device, and `read` throws what the device reported. Default true. */
  readonly ownsDevice?: boolean;
}

/** Bytes up to which what is uploaded goes into buffers that are used again. */
const POOLED_UPLOAD = 8 * 2 ** 20;

/** A CPU that plays GPU is faster without workgroup memory. */
export const styleFor = (device: GPUDevice): Style => (isSoftware(device.adapterInfo) ? 'direct' : 'tiled');

export function createOwnWebGpuRuntime(device: GPUDevice, options: OwnWebGpuOptions = {}): OwnWebGpuRuntime {
  const owned = options.ownsDevice ?? true;
  const style = options.style ?? styleFor(device);
  const styles = options.styles ?? {};
  const ledger = new Ledger();
  const pool = new BufferPool(device);
  const arena = new Arena(device);
  const pipelines = options.pipelines ?? new Pipelines(device);
  const tuner = new Tuner(device, pipelines, { store: options.tuningStore ?? null });
  const tune = options.tune ?? (style === 'tiled' || styles.product !== undefined);
  const programs = new Set<Program>();
  const inners = new Set<GpuProgram>();
  const checkGpu = owned ? watchDevice(device) : () => undefined;
  const guard = options.guard ? GUARD_BYTES : 0;
  let runMs = 0;

  const tensorOver = (buffer: GPUBuffer, shape: Shape, release: () => void): GpuTensor =>
    new GpuTensor({
      shape,
      dtype: 'float32',
      byteLength: 4 * sizeOf(shape),
      parts: { value: buffer },
      ledger,
      release,
    });

  const output = (shape: Shape, label: string): GpuTensor => {
    const buffer = pool.take(4 * sizeOf(shape) + guard, label);
    if (guard > 0) fillWithPattern(device, buffer);
    return tensorOver(buffer, shape, () => pool.give(buffer));
  };

  const adopt = (buffer: GPUBuffer, shape: Shape): Tensor =>
    tensorOver(buffer, shape, () => buffer.destroy());

  const adoptPart = (buffer: GPUBuffer, offset: number, shape: Shape): Tensor =>
    new GpuTensor({
      shape,
      dtype: 'float32',
      // The buffer is counted by whoever made it.
      byteLength: 0,
      parts: { value: buffer },
      ledger,
      release: () => undefined,
      offset,
    });

  const upload = (data: Float32Array, shape: Shape): Tensor => {
    if (data.length !== sizeOf(shape)) {
      throw new ModelError(
        'bad-shape',
        `A tensor of shape [${shape.join(', ')}] got ${data.length} numbers.`,
      );
    }
    if (data.byteLength > POOLED_UPLOAD) return adopt(uploadStorageBuffer(device, data, 'tensor'), shape);
    // The same buffers step after step, so that what is bound stays the same.
    const buffer = pool.take(data.byteLength, 'tensor');
    device.queue.writeBuffer(buffer, 0, data.buffer, data.byteOffset, data.byteLength);
    return tensorOver(buffer, shape, () => pool.give(buffer));
  };

  const uploadWeight = (weight: EncodedTensor): Tensor => {
    const { encoding, shape, data, scales, name } = weight;
    if (encoding === 'f32' || encoding === 'f16') return upload(decodeFloat32(weight), shape);
    if (!scales) throw new ModelError('bad-file', `${name}: ${encoding} without scales.`);
    const shortScales = indexedScales(scales, options.scaleTable ?? null) ?? scales;
    const codes = uploadStorageBuffer(device, data, name);
    let scaleBuffer: GPUBuffer;
    try {
      scaleBuffer = uploadStorageBuffer(device, shortScales, `${name}:scales`);
    } catch (error) {
      codes.destroy();
      throw error;
    }
    return new GpuTensor({
      shape,
      dtype: encoding,
      byteLength: data.byteLength + shortScales.byteLength,
      parts: { codes, scales: scaleBuffer },
      ledger,
      release: () => {
        codes.destroy();
        scaleBuffer.destroy();
      },
    });
  };

  const checkRun = async (plan: Plan, memory: MemoryPlan, results: Tensors): Promise<void> => {
    await checkGuards(device, plan, memory, arena.pages(memory.pages).slice(0, memory.pages.length));
    for (const [name, tensor] of Object.entries(results))
      await checkTail(device, (tensor as GpuTensor).part('value'), 4 * sizeOf(tensor.shape), name);
  };

  const tunedPlan = async (plan: Plan): Promise<Plan> => {
    const steps: Step[] = [];
    for (const step of plan.steps) steps.push(await tuner.tuned(step));
    await tuner.save();
    return { ...plan, steps };
  };

  const compile = (graph: Graph, { sums = [] }: CompileOptions = {}): Promise<Program> =>
    compilePlanned(graph, compilePlan(graph, device.limits, { style, styles, sums }));

  const compilePlanned = async (graph: Graph, untuned: Plan): Promise<Program> => {
    const plan = tune ? await tunedPlan(untuned) : untuned;
    const memory = planMemory(plan, { pageLimit: pageLimitOf(device.limits), guard });
    const inner = await GpuProgram.create(graph, plan, memory, {
      device,
      pipelines,
      arena,
      output,
      guard,
    });
    const program: Program = {
      graph,
      run: async (feeds, sums) => {
        const start = performance.now();
        if (guard > 0) for (const page of arena.pages(memory.pages)) fillWithPattern(device, page);
        const results = inner.run(feeds, sums);
        if (guard > 0) await checkRun(plan, memory, results);
        runMs += performance.now() - start;
        return results;
      },
      dispose: async () => {
        if (!programs.delete(program)) return;
        inners.delete(inner);
        inner.dispose();
      },
    };
    programs.add(program);
    inners.add(inner);
    return program;
  };

  return {
    backend: 'webgpu',
    device,
    compile,
    compilePlanned,
    get memory() {
      const compiled = [...inners].reduce((sum, { byteLength }) => sum + byteLength, 0);
      return { arena: arena.byteLength, programs: compiled, tensors: ledger.byteLength };
    },
    get peakTensors() {
      return ledger.peakByteLength;
    },
    get tuning() {
      return tuner.report;
    },
    get kernelReport() {
      return { executor: 'own' as const, check: options.check ?? null, tuned: tuner.report };
    },
    upload,
    uploadWeight,
    adopt,
    adoptPart,
    fusedGradients: true,
    read: async (tensor) => {
      const bytes = await readBuffer(
        device,
        (tensor as GpuTensor).part('value'),
        4 * sizeOf(tensor.shape),
        (tensor as GpuTensor).offset,
      );
      checkGpu();
      return new Float32Array(bytes);
    },
    gpuBuffer: (tensor) => {
      if ((tensor as GpuTensor).offset > 0)
        throw new Error('A tensor that is part of a buffer has none of its own.');
      return (tensor as GpuTensor).part('value');
    },
    live: ledger,
    attempt: (task) => ledger.attempt(task),
    view: () => null,
    get runMs() {
      return runMs;
    },
    dispose: async () => {
      for (const program of programs) await program.dispose();
      pool.dispose();
      arena.dispose();
      if (owned) device.destroy();
    },
  };
}
