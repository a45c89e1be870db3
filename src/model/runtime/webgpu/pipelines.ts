import { ModelError } from '../../../base/errors.ts';
import { kernels as ours, type KernelSource } from './kernels/index.ts';
import type { Step } from './plan.ts';

/** Pipelines of one device, each compiled once and apart from the page's thread. */
export class Pipelines {
  readonly #device: GPUDevice;
  readonly #kernels: Readonly<Record<string, KernelSource>>;
  readonly #pipelines = new Map<string, Promise<GPUComputePipeline>>();
  readonly #modules = new Map<string, GPUShaderModule>();
  readonly #layouts = new Map<number, GPUBindGroupLayout>();

  /** @param kernels by name, for tests of what happens where one is wrong; default ours */
  constructor(device: GPUDevice, kernels: Readonly<Record<string, KernelSource>> = ours) {
    this.#device = device;
    this.#kernels = kernels;
  }

  /** Compiled so far, or being compiled. */
  get count(): number {
    return this.#pipelines.size;
  }

  /** @throws ModelError `unsupported` with the driver's words */
  async get({ kernel, constants }: Pick<Step, 'kernel' | 'constants'>): Promise<GPUComputePipeline> {
    const key = `${kernel} ${JSON.stringify(constants)}`;
    const known = this.#pipelines.get(key);
    if (known) return known;
    const made = this.#compile(kernel, constants, key);
    this.#pipelines.set(key, made);
    // Whoever asks again tries again.
    made.catch(() => this.#pipelines.delete(key));
    return made;
  }

  /** Binding 0 holds uniforms, then `reads` buffers that are read, then one that is written. */
  layout(reads: number): GPUBindGroupLayout {
    const known = this.#layouts.get(reads);
    if (known) return known;
    const visibility = GPUShaderStage.COMPUTE;
    const layout = this.#device.createBindGroupLayout({
      label: `${reads} operands`,
      entries: [
        { binding: 0, visibility, buffer: { type: 'uniform' } },
        ...Array.from({ length: reads }, (_, i) => ({
          binding: 1 + i,
          visibility,
          buffer: { type: 'read-only-storage' as const },
        })),
        { binding: 1 + reads, visibility, buffer: { type: 'storage' } },
      ],
    });
    this.#layouts.set(reads, layout);
    return layout;
  }

  async #compile(
    kernel: string,
    constants: Readonly<Record<string, number>>,
    label: string,
  ): Promise<GPUComputePipeline> {
    const { reads } = this.#kernels[kernel]!;
    try {
      return await this.#device.createComputePipelineAsync({
        label,
        layout: this.#device.createPipelineLayout({ label: kernel, bindGroupLayouts: [this.layout(reads)] }),
        compute: { module: this.#module(kernel), entryPoint: 'main', constants },
      });
    } catch (error) {
      const { messages } = await this.#module(kernel).getCompilationInfo();
      const told = messages
        .filter(({ type }) => type === 'error')
        .map(({ lineNum, message }) => `line ${lineNum}: ${message}`);
      const reason = error instanceof Error ? error.message : String(error);
      throw new ModelError(
        'unsupported',
        `The GPU's driver refused the kernel ${label}: ${told.join('; ') || reason}`,
        'Run on onnxruntime or on the CPU instead, and report the adapter.',
        { cause: error },
      );
    }
  }

  #module(kernel: string): GPUShaderModule {
    const known = this.#modules.get(kernel);
    if (known) return known;
    const module = this.#device.createShaderModule({ label: kernel, code: this.#kernels[kernel]!.code });
    this.#modules.set(kernel, module);
    return module;
  }
}
