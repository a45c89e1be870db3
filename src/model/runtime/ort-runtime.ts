import type * as Ort from 'onnxruntime-common';
import { ModelError } from '../../base/errors.ts';
import { toOnnx, type OnnxInput } from '../graph/onnx.ts';
import { sizeOf, type Graph, type Shape } from '../graph/types.ts';
import { readBuffer } from '../kernels/gpu-run.ts';
import { decodeFloat32, type EncodedTensor } from '../weights/encoding.ts';
import type { Backend } from './backend.ts';
import { watchDevice } from './device-errors.ts';
import { Ledger } from './ledger.ts';
import { float32Bytes, OrtTensor } from './ort-tensor.ts';
import { RunQueue } from './run-queue.ts';
import type { KernelReport } from './webgpu/kernel-report.ts';
import type { CompileOptions, Program, Runtime, Tensor, Tensors } from './runtime.ts';

export interface OrtModule {
  InferenceSession: Ort.InferenceSessionFactory;
  Tensor: typeof Ort.Tensor;
}

export interface OrtRuntimeOptions {
  backend: Backend;
  ort: OrtModule;
  device: GPUDevice | null;
  executionProviders: readonly Ort.InferenceSession.ExecutionProviderConfig[];
  sessionOptions?: Ort.InferenceSession.SessionOptions;
  /** Why it stands in for our own executor, where it does. */
  kernelReport?: KernelReport;
}

// Shared by every runtime of this module, as they share one WASM heap.
const queue = new RunQueue();

/** A `Runtime` over any flavour of onnxruntime (node, WASM, WebGPU). */
export function createOrtRuntime(options: OrtRuntimeOptions): Runtime {
  const { backend, ort, device } = options;
  const ledger = new Ledger();
  const programs = new Set<Program>();
  let runMs = 0;
  const onGpu = backend === 'webgpu';
  const checkGpu = watchDevice(device);

  const cpuTensor = (
    shape: Shape,
    dtype: Tensor['dtype'],
    byteLength: number,
    bind: (part: OnnxInput) => Ort.Tensor,
  ) => new OrtTensor({ shape, dtype, location: 'cpu', byteLength, ledger, bind, release: () => undefined });

  const gpuUpload = (bytes: ArrayBufferView, label: string): GPUBuffer => {
    const buffer = device!.createBuffer({
      label,
      size: Math.ceil(bytes.byteLength / 16) * 16,
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
    });
    // writeBuffer wants multiples of four; only a packed weight's last bytes can be odd.
    const whole = bytes.byteLength - (bytes.byteLength % 4);
    device!.queue.writeBuffer(buffer, 0, bytes.buffer, bytes.byteOffset, whole);
    if (whole < bytes.byteLength) {
      const tail = new Uint8Array(4);
      tail.set(new Uint8Array(bytes.buffer, bytes.byteOffset + whole, bytes.byteLength - whole));
      device!.queue.writeBuffer(buffer, whole, tail);
    }
    return buffer;
  };

  const adopt = (buffer: GPUBuffer, shape: Shape): OrtTensor => {
    const tensor = ort.Tensor.fromGpuBuffer(buffer, { dataType: 'float32', dims: shape });
    return new OrtTensor({
      shape,
      dtype: 'float32',
      location: 'gpu',
      byteLength: float32Bytes(shape),
      ledger,
      bind: () => tensor,
      release: () => {
        tensor.dispose();
        buffer.destroy();
      },
    });
  };

  const upload = (data: Float32Array, shape: Shape): Tensor => {
    if (data.length !== sizeOf(shape)) {
      throw new ModelError(
        'bad-shape',
        `A tensor of shape [${shape.join(', ')}] got ${data.length} numbers.`,
      );
    }
    if (onGpu) return adopt(gpuUpload(data, 'tensor'), shape);
    const tensor = new ort.Tensor('float32', data, shape);
    return cpuTensor(shape, 'float32', data.byteLength, () => tensor);
  };

  const uploadWeight = (weight: EncodedTensor): Tensor => {
    const { encoding, shape, data, scales } = weight;
    if (encoding === 'f32' || encoding === 'f16') return upload(decodeFloat32(weight), shape);
    if (!scales) throw new ModelError('bad-file', `${weight.name}: ${encoding} without scales.`);
    const byteLength = data.byteLength + scales.byteLength;
    if (!onGpu) {
      return cpuTensor(shape, encoding, byteLength, (input) =>
        input.part === 'scales'
          ? new ort.Tensor('float32', scales, input.shape)
          : new ort.Tensor(input.type as 'uint8', data, input.shape),
      );
    }
    const dataBuffer = gpuUpload(data, weight.name);
    let scalesBuffer: GPUBuffer;
    try {
      scalesBuffer = gpuUpload(scales, `${weight.name}:scales`);
    } catch (error) {
      dataBuffer.destroy();
      throw error;
    }
    const bind = (input: OnnxInput) =>
      ort.Tensor.fromGpuBuffer(input.part === 'scales' ? scalesBuffer : dataBuffer, {
        // onnxruntime takes uint4 buffers too; only its type leaves them out.
        dataType: input.type as 'uint8' | 'float32',
        dims: input.shape,
      });
    const release = () => {
      dataBuffer.destroy();
      scalesBuffer.destroy();
    };
    return new OrtTensor({ shape, dtype: encoding, location: 'gpu', byteLength, ledger, bind, release });
  };

  const wrap = (tensor: Ort.Tensor, shape: Shape): OrtTensor =>
    new OrtTensor({
      shape,
      dtype: 'float32',
      location: onGpu ? 'gpu' : 'cpu',
      byteLength: float32Bytes(shape),
      ledger,
      bind: () => tensor,
      release: () => tensor.dispose(),
    });

  const compile = async (graph: Graph, { sums = [] }: CompileOptions = {}): Promise<Program> => {
    if (sums.length > 0)
      throw new ModelError(
        'unsupported',
        `${graph.name}: onnxruntime does not add results to other tensors.`,
      );
    const model = toOnnx(graph, { uint4: backend !== 'node' });
    const session = await queue.run(() =>
      ort.InferenceSession.create(model.bytes, {
        executionProviders: [...options.executionProviders],
        // Warnings tell that shape arithmetic runs on the CPU, which is as it should be.
        logSeverityLevel: 3,
        ...(onGpu ? { preferredOutputLocation: 'gpu-buffer' as const } : {}),
        ...options.sessionOptions,
      }),
    );
    const run = async (feeds: Tensors): Promise<Tensors> => {
      const bound: Record<string, Ort.Tensor> = {};
      for (const input of model.inputs) bound[input.name] = bindInput(graph, input, feeds[input.of]);
      const results = await queue
        .run(async () => {
          const start = performance.now();
          const outputs = await session.run(bound);
          runMs += performance.now() - start;
          return outputs;
        })
        .catch((error: unknown) => {
          throw runError(graph, error);
        });
      return Object.fromEntries(model.outputs.map(({ name, shape }) => [name, wrap(results[name]!, shape)]));
    };
    const program: Program = {
      graph,
      run,
      dispose: async () => {
        if (programs.delete(program)) await queue.run(() => session.release());
      },
    };
    programs.add(program);
    return program;
  };

  return {
    backend,
    device,
    compile,
    upload,
    uploadWeight,
    adopt,
    read: async (tensor) => {
      const value = (tensor as OrtTensor).value();
      if (!device || !onGpu) return ((await value.getData()) as Float32Array).slice();
      const buffer = value.gpuBuffer;
      const bytes = await queue.run(() => readBuffer(device, buffer, float32Bytes(tensor.shape)));
      checkGpu();
      return new Float32Array(bytes);
    },
    gpuBuffer: (tensor) => (onGpu ? (tensor as OrtTensor).value().gpuBuffer : null),
    live: ledger,
    attempt: (task) => ledger.attempt(task),
    view: (tensor) => (onGpu ? null : ((tensor as OrtTensor).value().data as Float32Array)),
    ...(options.kernelReport ? { kernelReport: options.kernelReport } : {}),
    get runMs() {
      return runMs;
    },
    dispose: async () => {
      for (const program of programs) await program.dispose();
      await queue.run(async () => device?.destroy());
    },
  };
}

function bindInput(graph: Graph, input: OnnxInput, tensor: Tensor | undefined): Ort.Tensor {
  if (!tensor)
    throw new ModelError('bad-input', `Graph ${graph.name}: nothing is bound to its input "${input.of}".`);
  const declared = graph.inputs.find(({ name }) => name === input.of)!.value;
  if (tensor.dtype !== declared.dtype || sizeOf(tensor.shape) !== sizeOf(declared.shape)) {
    throw new ModelError(
      'bad-shape',
      `Graph ${graph.name}: input "${input.of}" got ${tensor.dtype} [${tensor.shape.join(', ')}], ` +
        `expected ${declared.dtype} [${declared.shape.join(', ')}].`,
    );
  }
  const bound = (tensor as OrtTensor).bind(input);
  return sameDims(bound.dims, input.shape) ? bound : reshaped(bound, input.shape);
}

function sameDims(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((dim, i) => dim === b[i]);
}

function reshaped(tensor: Ort.Tensor, shape: Shape): Ort.Tensor {
  return tensor.reshape(shape);
}

function runError(graph: Graph, error: unknown): ModelError {
  const message = error instanceof Error ? error.message : String(error);
  const memory = /out of memory|bad_alloc|allocat/i.test(message);
  const lost = /device.*lost|lost.*device/i.test(message);
  return new ModelError(
    lost ? 'device-lost' : memory ? 'out-of-memory' : 'unsupported',
    `Running ${graph.name} failed: ${message}`,
    lost
      ? 'Reload the policy.'
      : memory
        ? 'Close other tabs, or take a smaller or more strongly quantised package.'
        : '',
    { cause: error },
  );
}
