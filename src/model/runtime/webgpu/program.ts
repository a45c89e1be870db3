/** A plan on a device: one command buffer a run. */
import { ModelError } from '../../errors.ts';
import { sizeOf, type Graph } from '../../graph/types.ts';
import { createStorageBuffer } from '../../kernels/gpu-run.ts';
import type { Tensors } from '../runtime.ts';
import type { Arena } from './buffers.ts';
import type { GpuTensor } from './gpu-tensor.ts';
import { kernels } from './kernels/index.ts';
import type { MemoryPlan } from './memory-plan.ts';
import type { Pipelines } from './pipelines.ts';
import { OFFSET_ALIGNMENT, type Field, type Plan, type Source, type Step } from './plan.ts';

const UNIFORM_ALIGNMENT = 256;
/** Bind groups a step keeps: one per set of buffers it met, so one per block of a stack. */
const KEPT_BIND_GROUPS = 256;

export interface Surroundings {
  readonly device: GPUDevice;
  readonly pipelines: Pipelines;
  readonly arena: Arena;
  /** Makes the tensor of an output. */
  readonly output: (shape: readonly number[], label: string) => GpuTensor;
  /** Bytes bound past the end of what is written, so that a test can see writes there. */
  readonly guard: number;
}

export class GpuProgram {
  readonly plan: Plan;
  readonly memory: MemoryPlan;
  readonly #graph: Graph;
  readonly #at: Surroundings;
  readonly #pipelines: readonly GPUComputePipeline[];
  readonly #uniforms: GPUBuffer | null;
  readonly #constants: GPUBuffer | null;
  readonly #constantOffsets: readonly number[];
  readonly #bindGroups: Map<string, GPUBindGroup>[];

  private constructor(
    graph: Graph,
    plan: Plan,
    memory: MemoryPlan,
    at: Surroundings,
    pipelines: readonly GPUComputePipeline[],
  ) {
    this.#graph = graph;
    this.plan = plan;
    this.memory = memory;
    this.#at = at;
    this.#pipelines = pipelines;
    const { device } = at;
    const uniforms = uniformBytes(plan.steps);
    this.#uniforms =
      uniforms &&
      device.createBuffer({
        label: `${plan.name} uniforms`,
        size: uniforms.byteLength,
        usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
      });
    if (uniforms) device.queue.writeBuffer(this.#uniforms!, 0, uniforms);
    const offsets: number[] = [];
    let end = 0;
    for (const { byteLength } of plan.constants) {
      offsets.push(end);
      end += Math.ceil(byteLength / OFFSET_ALIGNMENT) * OFFSET_ALIGNMENT;
    }
    this.#constantOffsets = offsets;
    this.#constants = end > 0 ? createStorageBuffer(device, end, `${plan.name} constants`) : null;
    plan.constants.forEach((data, i) =>
      device.queue.writeBuffer(this.#constants!, offsets[i]!, data.buffer, data.byteOffset, data.byteLength),
    );
    this.#bindGroups = plan.steps.map(() => new Map());
  }

  static async create(graph: Graph, plan: Plan, memory: MemoryPlan, at: Surroundings): Promise<GpuProgram> {
    const pipelines = await Promise.all(plan.steps.map((step) => at.pipelines.get(step)));
    return new GpuProgram(graph, plan, memory, at, pipelines);
  }

  /** Of its own: uniforms and constants. */
  get byteLength(): number {
    return (this.#uniforms?.size ?? 0) + (this.#constants?.size ?? 0);
  }

  /** Records everything and submits it; nothing is waited for. */
  run(feeds: Tensors): Tensors {
    const inputs = this.#checked(feeds);
    const { device } = this.#at;
    const pages = this.#at.arena.pages(this.memory.pages);
    const outputs = new Map<string, GpuTensor>();
    try {
      for (const { name, shape } of this.plan.outputs) outputs.set(name, this.#at.output(shape, name));
      const resolve = ({
        source,
        id,
      }: {
        source: Source;
        id: number;
      }): { buffer: GPUBuffer; base: number } => {
        if (source.kind === 'input') return { buffer: inputs.get(source.name)!.part(source.part), base: 0 };
        if (source.kind === 'output') return { buffer: outputs.get(source.name)!.part('value'), base: 0 };
        if (source.kind === 'constant')
          return { buffer: this.#constants!, base: this.#constantOffsets[source.index]! };
        const place = this.memory.places.get(id)!;
        return { buffer: pages[place.page]!, base: place.offset };
      };
      const encoder = device.createCommandEncoder({ label: this.plan.name });
      const pass = encoder.beginComputePass({ label: this.plan.name });
      this.plan.steps.forEach((step, i) => {
        pass.setPipeline(this.#pipelines[i]!);
        pass.setBindGroup(0, this.#bindGroup(step, i, resolve));
        pass.dispatchWorkgroups(...step.workgroups);
      });
      pass.end();
      device.queue.submit([encoder.finish()]);
    } catch (error) {
      for (const tensor of outputs.values()) tensor.dispose();
      throw error;
    }
    return Object.fromEntries(outputs);
  }

  dispose(): void {
    this.#uniforms?.destroy();
    this.#constants?.destroy();
    for (const groups of this.#bindGroups) groups.clear();
  }

  #bindGroup(
    step: Step,
    index: number,
    resolve: (block: { source: Source; id: number }) => { buffer: GPUBuffer; base: number },
  ): GPUBindGroup {
    const operands = [...step.reads, step.write].map((binding, i) => {
      const block = this.plan.blocks[binding.block]!;
      const { buffer, base } = resolve(block);
      const guard = i === step.reads.length ? this.#at.guard : 0;
      return { buffer, offset: base + binding.offset, size: binding.byteLength + guard };
    });
    const key = operands.map(({ buffer }) => idOf(buffer)).join();
    const groups = this.#bindGroups[index]!;
    const known = groups.get(key);
    if (known) return known;
    if (groups.size >= KEPT_BIND_GROUPS) groups.clear();
    const uniforms = {
      buffer: this.#uniforms!,
      offset: index * uniformStride(this.plan.steps),
      size: uniformSize(step),
    };
    const group = this.#at.device.createBindGroup({
      label: step.note,
      layout: this.#at.pipelines.layout(kernels[step.kernel]!.reads),
      entries: [uniforms, ...operands].map((resource, binding) => ({ binding, resource })),
    });
    groups.set(key, group);
    return group;
  }

  /** @throws ModelError where a feed is missing, or of another type or size */
  #checked(feeds: Tensors): Map<string, GpuTensor> {
    const { name: graph, inputs } = this.#graph;
    return new Map(
      inputs.map(({ name, value }) => {
        const tensor = feeds[name];
        if (!tensor)
          throw new ModelError('bad-input', `Graph ${graph}: nothing is bound to its input "${name}".`);
        if (tensor.dtype !== value.dtype || sizeOf(tensor.shape) !== sizeOf(value.shape)) {
          throw new ModelError(
            'bad-shape',
            `Graph ${graph}: input "${name}" got ${tensor.dtype} [${tensor.shape.join(', ')}], ` +
              `expected ${value.dtype} [${value.shape.join(', ')}].`,
          );
        }
        if (tensor.disposed) throw new Error(`The tensor bound to "${name}" is disposed already.`);
        return [name, tensor as GpuTensor];
      }),
    );
  }
}

const ids = new WeakMap<GPUBuffer, number>();
let nextId = 0;

function idOf(buffer: GPUBuffer): number {
  const known = ids.get(buffer);
  if (known !== undefined) return known;
  ids.set(buffer, nextId);
  return nextId++;
}

const uniformSize = (step: Step): number => Math.ceil(step.params.length / 4) * 16;

function uniformStride(steps: readonly Step[]): number {
  const largest = steps.reduce((size, step) => Math.max(size, uniformSize(step)), 0);
  return Math.ceil(largest / UNIFORM_ALIGNMENT) * UNIFORM_ALIGNMENT;
}

/** Uniforms of all steps, one after another; null where there are no steps. */
function uniformBytes(steps: readonly Step[]): Uint8Array<ArrayBuffer> | null {
  if (steps.length === 0) return null;
  const stride = uniformStride(steps);
  const view = new DataView(new ArrayBuffer(stride * steps.length));
  steps.forEach(({ params }, step) => {
    params.forEach(([type, value]: Field, i) => {
      const at = step * stride + 4 * i;
      if (type === 'f32') view.setFloat32(at, value, true);
      else view.setUint32(at, value, true);
    });
  });
  return new Uint8Array(view.buffer);
}
