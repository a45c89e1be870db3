import { ModelError } from '../../../base/errors.ts';
import { sizeOf, type Graph, type Shape } from '../../graph/types.ts';
import { encodedParts, type EncodedTensor } from '../../weights/encoding.ts';
import { indexedScales, scalesByteLength } from '../../weights/few-scales.ts';
import { Ledger } from '../ledger.ts';
import type { CompileOptions, Program, Runtime, Tensor, Tensors } from '../runtime.ts';
import { compilePlan } from './compile.ts';
import { pageLimitOf, planMemory } from './memory-plan.ts';
import type { Limits, Plan, Style } from './plan.ts';

/** Bytes on the GPU at the worst moment so far. */
export interface PlannedMemory {
  /** Values inside of runs: pages that all programs share. */
  readonly arena: number;
  /** Uniforms and constants of the programs that are compiled. */
  readonly programs: number;
  /** Tensors alive at once, weights among them. */
  readonly tensors: number;
}

export interface PlanningRuntime extends Runtime {
  readonly peak: PlannedMemory;
  /** Counts from what is there now on. */
  forgetPeak(): void;
  /** Bytes of the largest buffer. */
  readonly largestBuffer: number;
  /** A weight that nobody has to have. @param fewScales as a manifest tells (`PackageTensor`) */
  declareWeight(shape: Shape, encoding: EncodedTensor['encoding'], fewScales?: boolean): Tensor;
}

/**
 * Runs nothing and allocates nothing, but plans everything as `createOwnWebGpuRuntime` does: a policy that is put through its paces on
 * it tells what it will take on a GPU, to the byte, from shapes alone.
 */
export function createPlanningRuntime(
  limits: Limits & { readonly maxBufferSize: number },
  style: Style = 'tiled',
): PlanningRuntime {
  const ledger = new Ledger();
  const pages: number[] = [];
  let programBytes = 0;
  const peak = { arena: 0, programs: 0, tensors: 0 };
  const note = () => {
    peak.arena = pages.reduce((sum, size) => sum + size, 0);
    peak.programs = Math.max(peak.programs, programBytes);
    peak.tensors = ledger.peakByteLength;
  };
  let largestBuffer = 0;
  const make = (shape: Shape, dtype: Tensor['dtype'], byteLength: number): Tensor => {
    const tensor = new PlannedTensor(shape, dtype, byteLength, ledger);
    largestBuffer = Math.max(largestBuffer, byteLength);
    note();
    return tensor;
  };
  const float = (shape: Shape) => make(shape, 'float32', 4 * sizeOf(shape));
  const declareWeight = (shape: Shape, encoding: EncodedTensor['encoding'], fewScales = false): Tensor => {
    if (encoding !== 'q4' && encoding !== 'q8') return float(shape);
    const { data, scales } = encodedParts(shape, encoding);
    return make(shape, encoding, data + scalesByteLength(scales / 4, fewScales));
  };

  const compile = async (graph: Graph, { sums = [] }: CompileOptions = {}): Promise<Program> => {
    const plan = compilePlan(graph, limits, { style, sums });
    const memory = planMemory(plan, { pageLimit: pageLimitOf(limits) });
    const own = programByteLength(plan);
    largestBuffer = Math.max(largestBuffer, own, ...memory.pages);
    programBytes += own;
    note();
    return {
      graph,
      run: async () => {
        memory.pages.forEach((size, i) => (pages[i] = Math.max(pages[i] ?? 0, size)));
        const made: Tensors = {};
        for (const { name, shape } of plan.outputs) made[name] = float(shape);
        return made;
      },
      dispose: async () => {
        programBytes -= own;
      },
    };
  };

  return {
    backend: 'webgpu',
    device: null,
    get peak() {
      note();
      return { ...peak };
    },
    forgetPeak: () => {
      ledger.peakByteLength = ledger.byteLength;
    },
    get largestBuffer() {
      return largestBuffer;
    },
    declareWeight,
    compile,
    upload: (_data, shape) => float(shape),
    uploadWeight: ({ shape, encoding, scales }) =>
      declareWeight(shape, encoding, scales !== undefined && indexedScales(scales) !== null),
    read: async (tensor) => new Float32Array(sizeOf(tensor.shape)),
    gpuBuffer: () => null,
    view: () => null,
    adopt: () => {
      throw new ModelError('unsupported', 'A plan has no buffers.');
    },
    fusedGradients: true,
    live: ledger,
    attempt: (task) => ledger.attempt(task),
    runMs: 0,
    dispose: async () => undefined,
  };
}

const align = (bytes: number): number => Math.ceil(bytes / 256) * 256;

/** As `GpuProgram` allocates: a slot of uniforms a step, as large as the largest; constants one after another. */
export function programByteLength({ steps, constants }: Plan): number {
  const slot = align(Math.max(0, ...steps.map(({ params }) => Math.ceil(params.length / 4) * 16)));
  return slot * steps.length + constants.reduce((sum, { byteLength }) => sum + align(byteLength), 0);
}

class PlannedTensor implements Tensor {
  readonly location = 'gpu';
  readonly shape: Shape;
  readonly dtype: Tensor['dtype'];
  readonly byteLength: number;
  readonly #ledger: Ledger;
  #disposed = false;

  constructor(shape: Shape, dtype: Tensor['dtype'], byteLength: number, ledger: Ledger) {
    this.shape = shape;
    this.dtype = dtype;
    this.byteLength = byteLength;
    this.#ledger = ledger;
    ledger.opened(this);
  }

  get disposed(): boolean {
    return this.#disposed;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#ledger.closed(this);
  }
}
