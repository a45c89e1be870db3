/** A plan on a device: one command buffer a run. */
import { ModelError } from '../../../base/errors.ts';
import { sizeOf, type DType, type Graph, type Shape } from '../../graph/types.ts';
import { createStorageBuffer } from '../../kernels/gpu-run.ts';
import type { Tensor, Tensors } from '../runtime.ts';
import type { Arena } from './buffers.ts';
import type { GpuTensor } from './gpu-tensor.ts';
import { kernels } from './kernels/index.ts';
import type { MemoryPlan } from './memory-plan.ts';
import type { Pipelines } from './pipelines.ts';
import { OFFSET_ALIGNMENT, type Field, type Plan, type Step } from './plan.ts';

const UNIFORM_ALIGNMENT = 256;
/** Bind groups a step keeps: one per set of buffers it met, so one per block of a stack. */
const KEPT_BIND_GROUPS = 256;
/** Runs whose bind groups are kept together. */
const KEPT_RUNS = 64;

/** Where a block lies in a run. */
interface Place {
  readonly buffer: GPUBuffer;
  /** Bytes. */
  readonly base: number;
  /** Of scales, which need not be as long as the plan has them. */
  readonly byteLength?: number;
}

/** Of a block of the arena that no step binds. */
const UNBOUND = { page: -1, offset: 0 };

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
  /** Bind groups of all steps, by what a run binds. */
  readonly #runs = new Map<string, readonly GPUBindGroup[]>();
  /** Blocks whose memory may be another one in each run: a page of the arena each, and all that comes from outside. */
  readonly #bound: readonly number[];
  readonly #uniformStride: number;

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
    const pageBlocks = new Map([...memory.places].map(([block, { page }]) => [page, block]));
    const outside = plan.blocks.filter(({ source: { kind } }) => kind !== 'constant' && kind !== 'arena');
    this.#bound = [...pageBlocks.values(), ...outside.map(({ id }) => id)];
    this.#uniformStride = uniformStride(plan.steps);
  }

  static async create(graph: Graph, plan: Plan, memory: MemoryPlan, at: Surroundings): Promise<GpuProgram> {
    const pipelines = await Promise.all(plan.steps.map((step) => at.pipelines.get(step)));
    return new GpuProgram(graph, plan, memory, at, pipelines);
  }

  /** Of its own: uniforms and constants. */
  get byteLength(): number {
    return (this.#uniforms?.size ?? 0) + (this.#constants?.size ?? 0);
  }

  /**
   * Records everything and submits it; nothing is waited for.
   * @param sums what the outputs named in `compile`'s `sums` are added to
   */
  run(feeds: Tensors, sums: Tensors = {}): Tensors {
    const inputs = this.#checked(feeds);
    for (const { name, shape } of this.plan.sums) this.#check(name, 'sum', 'float32', shape, sums[name]);
    const { device } = this.#at;
    const pages = this.#at.arena.pages(this.memory.pages);
    const outputs = new Map<string, GpuTensor>();
    try {
      for (const { name, shape } of this.plan.outputs) outputs.set(name, this.#at.output(shape, name));
      const places = this.plan.blocks.map(({ source, id }): Place => {
        if (source.kind === 'arena') {
          const { page, offset } = this.memory.places.get(id) ?? UNBOUND;
          return { buffer: pages[page]!, base: offset };
        }
        if (source.kind === 'constant')
          return { buffer: this.#constants!, base: this.#constantOffsets[source.index]! };
        const { kind, name } = source;
        if (kind === 'output') return { buffer: outputs.get(name)!.part('value'), base: 0 };
        const tensor = kind === 'input' ? inputs.get(name)! : (sums[name] as GpuTensor);
        const part = kind === 'input' ? source.part : 'value';
        const buffer = tensor.part(part);
        return { buffer, base: tensor.offset, ...(part === 'scales' ? { byteLength: buffer.size } : {}) };
      });
      const groups = this.#bindGroupsFor(places);
      const encoder = device.createCommandEncoder({ label: this.plan.name });
      const pass = encoder.beginComputePass({ label: this.plan.name });
      this.plan.steps.forEach(({ workgroups }, i) => {
        if (i === 0 || this.#pipelines[i] !== this.#pipelines[i - 1]) pass.setPipeline(this.#pipelines[i]!);
        pass.setBindGroup(0, groups[i]);
        pass.dispatchWorkgroups(...workgroups);
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
    this.#runs.clear();
  }

  /** Of all steps: those of an earlier run over the same memory, or put together step by step. */
  #bindGroupsFor(places: readonly Place[]): readonly GPUBindGroup[] {
    const key = this.#bound.map((block) => `${idOf(places[block]!.buffer)} ${places[block]!.base}`).join();
    const known = this.#runs.get(key);
    if (known) return known;
    if (this.#runs.size >= KEPT_RUNS) this.#runs.clear();
    const groups = this.plan.steps.map((step, i) => this.#bindGroup(step, i, places));
    this.#runs.set(key, groups);
    return groups;
  }

  #bindGroup(step: Step, index: number, places: readonly Place[]): GPUBindGroup {
    const operands = [...step.reads, step.write].map((binding, i) => {
      const { buffer, base, byteLength = binding.byteLength } = places[binding.block]!;
      const guarded = i === step.reads.length && this.plan.blocks[binding.block]!.source.kind !== 'sum';
      const guard = guarded ? this.#at.guard : 0;
      return { buffer, offset: base + binding.offset, size: byteLength + guard };
    });
    const key = operands.map(({ buffer, offset }) => `${idOf(buffer)} ${offset}`).join();
    const groups = this.#bindGroups[index]!;
    const known = groups.get(key);
    if (known) return known;
    if (groups.size >= KEPT_BIND_GROUPS) groups.clear();
    const uniforms = {
      buffer: this.#uniforms!,
      offset: index * this.#uniformStride,
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
    return new Map(
      this.#graph.inputs.map(({ name, value }) => [
        name,
        this.#check(name, 'input', value.dtype, value.shape, feeds[name]),
      ]),
    );
  }

  #check(name: string, kind: string, dtype: DType, shape: Shape, tensor: Tensor | undefined): GpuTensor {
    const graph = this.#graph.name;
    if (!tensor)
      throw new ModelError('bad-input', `Graph ${graph}: nothing is bound to its ${kind} "${name}".`);
    if (tensor.dtype !== dtype || sizeOf(tensor.shape) !== sizeOf(shape)) {
      throw new ModelError(
        'bad-shape',
        `Graph ${graph}: ${kind} "${name}" got ${tensor.dtype} [${tensor.shape.join(', ')}], ` +
          `expected ${dtype} [${shape.join(', ')}].`,
      );
    }
    if (tensor.disposed) throw new Error(`The tensor bound to "${name}" is disposed already.`);
    return tensor as GpuTensor;
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
