/** A runtime without numbers: every program answers with small constants at once, so that what is tested is who owns what, and when. */
import { ModelError } from '../../src/base/errors.ts';
import { sizeOf, type Graph, type Shape } from '../../src/model/graph/types.ts';
import { Ledger } from '../../src/model/runtime/ledger.ts';
import type { Program, Runtime, Tensor, Tensors } from '../../src/model/runtime/runtime.ts';
import type { KernelReport } from '../../src/model/runtime/webgpu/kernel-report.ts';
import { encodedByteLength, type EncodedTensor } from '../../src/model/weights/encoding.ts';

export type Work = 'upload' | 'compile' | 'run' | 'read';

class FakeTensor implements Tensor {
  readonly location = 'cpu';
  readonly shape: Shape;
  readonly dtype: Tensor['dtype'];
  /** Null for a quantised weight, which nobody reads. */
  readonly data: Float32Array | null;
  readonly byteLength: number;
  disposed = false;
  readonly #ledger: Ledger;

  constructor(of: Pick<FakeTensor, 'shape' | 'dtype' | 'data'>, byteLength: number, ledger: Ledger) {
    this.shape = of.shape;
    this.dtype = of.dtype;
    this.data = of.data;
    this.byteLength = byteLength;
    this.#ledger = ledger;
    ledger.opened(this);
  }

  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    this.#ledger.closed(this);
  }
}

export class FakeRuntime implements Runtime {
  readonly backend = 'node';
  readonly device = null;
  readonly live = new Ledger();
  readonly runMs = 0;
  /** Programs compiled and not yet disposed. */
  programs = 0;
  disposed = false;
  /** Called before each piece of work; what it throws, the work fails with. */
  before: (work: Work) => void = () => undefined;
  /** A run waits for this: holds a prediction or a step in flight. */
  gate: Promise<void> | null = null;
  /** Runs that are waiting at the gate or computing. */
  running = 0;
  /** Every run, in order: its graph, and whether trained weights took part. */
  readonly ran: { readonly graph: string; readonly trained: boolean }[] = [];
  /** What every output is filled with; NaN makes a run diverge. */
  value = 0.01;
  kernelReport?: KernelReport;

  async compile(graph: Graph): Promise<Program> {
    this.#work('compile');
    await Promise.resolve();
    this.programs += 1;
    let open = true;
    return {
      graph,
      run: async (feeds) => {
        if (!open) throw new Error(`${graph.name} was run after it was disposed.`);
        this.#check(graph, feeds);
        this.running += 1;
        const trained = graph.inputs.some(({ name }) => name.includes('.lora_'));
        this.ran.push({ graph: graph.name, trained });
        try {
          await this.gate;
          this.#work('run');
          // Disposed while it ran: that is what a lease is there to prevent.
          this.#check(graph, feeds);
        } finally {
          this.running -= 1;
        }
        return Object.fromEntries(
          graph.outputs.map(({ name, value }) => [
            name,
            this.#tensor(new Float32Array(sizeOf(value.shape)).fill(this.value), value.shape),
          ]),
        );
      },
      dispose: async () => {
        if (open) this.programs -= 1;
        open = false;
      },
    };
  }

  attempt<T>(task: () => Promise<T>): Promise<T> {
    return this.live.attempt(task);
  }

  upload(data: Float32Array, shape: Shape): Tensor {
    this.#work('upload');
    return this.#tensor(data, shape);
  }

  uploadWeight({ shape, encoding, data }: EncodedTensor): Tensor {
    this.#work('upload');
    const floats = encoding === 'f32' ? new Float32Array(data.buffer, data.byteOffset, sizeOf(shape)) : null;
    const dtype = encoding === 'q8' || encoding === 'q4' ? encoding : 'float32';
    return new FakeTensor({ shape, dtype, data: floats }, encodedByteLength(shape, encoding), this.live);
  }

  async read(tensor: Tensor): Promise<Float32Array> {
    this.#work('read');
    return this.#floats(tensor).slice();
  }

  gpuBuffer(): null {
    return null;
  }

  view(tensor: Tensor): Float32Array {
    return this.#floats(tensor);
  }

  adopt(): Tensor {
    throw new Error('There is no GPU here.');
  }

  async dispose(): Promise<void> {
    this.disposed = true;
  }

  #tensor(data: Float32Array, shape: Shape): Tensor {
    return new FakeTensor({ shape, dtype: 'float32', data }, data.byteLength, this.live);
  }

  #floats(tensor: Tensor): Float32Array {
    const { data, disposed } = tensor as FakeTensor;
    if (disposed) throw new Error('A tensor was read after it was disposed.');
    if (!data) throw new Error('A quantised weight was read as float32.');
    return data;
  }

  #check(graph: Graph, feeds: Tensors): void {
    if (this.disposed) throw new Error(`${graph.name} was run on a runtime that is disposed.`);
    for (const { name } of graph.inputs) {
      const tensor = feeds[name] as FakeTensor | undefined;
      if (!tensor) throw new Error(`${graph.name}: nothing is bound to ${name}.`);
      if (tensor.disposed) throw new Error(`${graph.name}: ${name} is disposed.`);
    }
  }

  #work(work: Work): void {
    if (this.disposed) throw new Error(`${work} on a runtime that is disposed.`);
    this.before(work);
  }
}

/** Lets `count` pieces of work pass, then fails as memory that has run out does. Counts what passed. */
export function exhaustAfter(runtime: FakeRuntime, count: number): { readonly failed: () => boolean } {
  let left = count;
  let failed = false;
  runtime.before = () => {
    if (left-- > 0) return;
    failed = true;
    throw new ModelError('out-of-memory', 'There is no memory left.');
  };
  return { failed: () => failed };
}
