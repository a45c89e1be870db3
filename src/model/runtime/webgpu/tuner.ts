/**
 * Chooses how products are computed on a device. A variant is used only after it has been right there: each is run on random
 * numbers and compared with the twin in float64, then those that are right are timed. This is how drivers with broken kernels are survived.
 */
import { readBuffer } from '../../kernels/gpu-run.ts';
import { Random } from '../../../base/random.ts';
import { WrongKernelsError } from './kernel-report.ts';
import { kernels } from './kernels/index.ts';
import type { Pipelines } from './pipelines.ts';
import type { Step, Variant } from './plan.ts';
import { productTwin, type Memory } from './product-twin.ts';

export interface Tuned {
  /** Of the step: op, sizes and layout. */
  readonly shape: string;
  /** Name of the variant in use. */
  readonly variant: string;
  /** Milliseconds by variant, of those that were right; null for a choice that was remembered or not timed. */
  readonly times: Readonly<Record<string, number>> | null;
  /** Variants that gave wrong numbers, or that the driver refused: never used on this device. */
  readonly wrong: readonly string[];
}

/** Keeps choices between visits, for one adapter and driver. */
export interface TuningStore {
  load(): Promise<Readonly<Record<string, string>>>;
  save(choices: Readonly<Record<string, string>>): Promise<void>;
}

/** Random numbers that buffers are filled with over and over: 256 KiB. */
const CHUNK = 2 ** 16;
/** Results that are compared, beside the last one. */
const SAMPLES = 96;
/** Relative to the sum of magnitudes: float32 sums of up to 11008 terms in any order stay far below. */
const TOLERANCE = 2e-5;

export class Tuner {
  readonly #device: GPUDevice;
  readonly #pipelines: Pipelines;
  readonly #store: TuningStore | null;
  readonly #chosen = new Map<string, Tuned>();
  #remembered: Record<string, string> | null = null;
  #changed = false;
  #leftMs: number;

  /** @param budgetMs for timing, all in all; what is not timed by then takes the likely best variant, checked all the same */
  constructor(
    device: GPUDevice,
    pipelines: Pipelines,
    { budgetMs = 2000, store = null }: { budgetMs?: number; store?: TuningStore | null } = {},
  ) {
    this.#device = device;
    this.#pipelines = pipelines;
    this.#store = store;
    this.#leftMs = budgetMs;
  }

  get report(): readonly Tuned[] {
    return [...this.#chosen.values()];
  }

  /** The step as its best variant. @throws WrongKernelsError where no variant is right */
  async tuned(step: Step): Promise<Step> {
    const { variants } = step;
    if (!variants) return step;
    const shape = shapeOf(step);
    const known = this.#chosen.get(shape);
    if (known)
      return withVariant(
        step,
        variants.find(({ name }) => name === known.variant)!,
      );
    this.#remembered ??= { ...(await this.#store?.load()) };
    const before = variants.find(({ name }) => name === this.#remembered![shape]);
    if (before) {
      this.#chosen.set(shape, { shape, variant: before.name, times: null, wrong: [] });
      return withVariant(step, before);
    }
    const trial = new Trial(this.#device, this.#pipelines, step);
    const wrong: string[] = [];
    const times: Record<string, number> = {};
    try {
      for (const variant of variants) {
        if (!(await trial.isRight(variant))) {
          wrong.push(variant.name);
          continue;
        }
        const start = performance.now();
        times[variant.name] = this.#leftMs > 0 ? await trial.time(variant) : 0;
        this.#leftMs -= performance.now() - start;
        if (this.#leftMs <= 0) break;
      }
    } finally {
      trial.dispose();
    }
    const [best] = Object.entries(times).toSorted(([, a], [, b]) => a - b);
    if (!best) {
      throw new WrongKernelsError({
        kernel: [...new Set(variants.map(({ kernel }) => kernel))].join(', '),
        check: shape,
        problem: wrong.join(', '),
        replacement: null,
      });
    }
    this.#chosen.set(shape, { shape, variant: best[0], times, wrong });
    this.#remembered[shape] = best[0];
    this.#changed = true;
    return withVariant(
      step,
      variants.find(({ name }) => name === best[0])!,
    );
  }

  /** Remembers what was chosen since the last time. */
  async save(): Promise<void> {
    if (!this.#changed || !this.#remembered) return;
    this.#changed = false;
    await this.#store?.save(this.#remembered);
  }
}

/**
 * Choices hold for one adapter, for the browser that compiles for it, and for these kernels. Of the driver they hold what the
 * adapter's description tells, which not every browser fills in.
 */
export function tuningKey(
  { vendor, architecture, device, description }: GPUAdapterInfo,
  browser: string,
): string {
  let hash = 0;
  for (const { code } of Object.values(kernels))
    for (let i = 0; i < code.length; i++) hash = (Math.imul(hash, 31) + code.charCodeAt(i)) | 0;
  return [vendor, architecture, device, description, browser, (hash >>> 0).toString(16)].join(' ');
}

export function withVariant(step: Step, { kernel, constants, workgroups }: Variant): Step {
  return { ...step, kernel, constants, workgroups };
}

/** Steps of equal shape are computed alike: all that decides which variant is fastest. */
export function shapeOf({ note, params, constants }: Step): string {
  const sizes = params.slice(0, 3).map(([, value]) => value);
  const layout = ['BITS', 'BY_ROW', 'A_BY_ROW', 'B_BY_COLUMN', 'E_LENGTH'].map((name) => constants[name]);
  return `${note} ${sizes.join('x')} ${layout.join('.')}`;
}

/** One step's operands filled with random numbers. */
class Trial {
  readonly #device: GPUDevice;
  readonly #pipelines: Pipelines;
  readonly #step: Step;
  readonly #chunk: Float32Array<ArrayBuffer>;
  readonly #words: Uint32Array<ArrayBuffer>;
  readonly #buffers: GPUBuffer[] = [];
  readonly #reads: GPUBuffer[];
  readonly #output: GPUBuffer;
  readonly #uniforms: GPUBuffer;

  constructor(device: GPUDevice, pipelines: Pipelines, step: Step) {
    this.#device = device;
    this.#pipelines = pipelines;
    this.#step = step;
    const random = new Random(1);
    this.#chunk = Float32Array.from({ length: CHUNK }, () => 2 * random.uniform() - 1);
    this.#words = Uint32Array.from({ length: CHUNK }, () => Math.floor(random.uniform() * 2 ** 32));
    const packed = (step.constants['BITS'] ?? 32) !== 32;
    this.#reads = step.reads.map(({ byteLength }, i) =>
      this.#filled(byteLength, packed && i === 1 ? this.#words : this.#chunk),
    );
    this.#output = this.#buffer(
      step.write.byteLength,
      GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
    );
    const bytes = new DataView(new ArrayBuffer(Math.ceil(step.params.length / 4) * 16));
    step.params.forEach(([type, value], i) =>
      type === 'f32' ? bytes.setFloat32(4 * i, value, true) : bytes.setUint32(4 * i, value, true),
    );
    this.#uniforms = this.#buffer(bytes.byteLength, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
    device.queue.writeBuffer(this.#uniforms, 0, bytes.buffer);
  }

  async isRight(variant: Variant): Promise<boolean> {
    try {
      await this.#run(variant, 1);
    } catch {
      return false;
    }
    const found = new Float32Array(await readBuffer(this.#device, this.#output, this.#step.write.byteLength));
    const memory: Memory = {
      float: (_, index) => this.#chunk[index % CHUNK]!,
      word: (_, index) => this.#words[index % CHUNK]!,
    };
    const twin = productTwin(this.#step, memory);
    const random = new Random(2);
    const count = this.#step.write.byteLength / 4;
    const scale =
      Math.sqrt(this.#step.params[2]![1]) * ((this.#step.constants['BITS'] ?? 32) === 32 ? 1 : 128);
    const places = Array.from({ length: SAMPLES }, () => Math.floor(random.uniform() * count));
    return [count - 1, ...places].every((at) => {
      const expected = twin(at);
      // Roots of negative numbers and the like: not for comparing.
      if (!Number.isFinite(expected)) return true;
      return Math.abs(found[at]! - expected) <= TOLERANCE * (scale + Math.abs(expected));
    });
  }

  /** Milliseconds of one run: the best of three measurements. */
  async time(variant: Variant): Promise<number> {
    const times: number[] = [];
    for (let i = 0; i < 3; i++) {
      const start = performance.now();
      await this.#run(variant, REPEATS);
      await this.#device.queue.onSubmittedWorkDone();
      times.push((performance.now() - start) / REPEATS);
    }
    return Math.min(...times);
  }

  dispose(): void {
    for (const buffer of this.#buffers) buffer.destroy();
  }

  async #run(variant: Variant, times: number): Promise<void> {
    const pipeline = await this.#pipelines.get(variant);
    const group = this.#device.createBindGroup({
      label: variant.name,
      layout: this.#pipelines.layout(kernels[variant.kernel]!.reads),
      entries: [this.#uniforms, ...this.#reads, this.#output].map((buffer, binding) => ({
        binding,
        resource: { buffer },
      })),
    });
    const encoder = this.#device.createCommandEncoder({ label: `tuning ${variant.name}` });
    // What the variant before left must not be taken for this one's.
    encoder.clearBuffer(this.#output);
    const pass = encoder.beginComputePass({ label: variant.name });
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    for (let i = 0; i < times; i++) pass.dispatchWorkgroups(...variant.workgroups);
    pass.end();
    this.#device.queue.submit([encoder.finish()]);
  }

  #buffer(size: number, usage: number): GPUBuffer {
    const buffer = this.#device.createBuffer({ label: 'tuning', size: Math.ceil(size / 16) * 16, usage });
    this.#buffers.push(buffer);
    return buffer;
  }

  #filled(byteLength: number, chunk: Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>): GPUBuffer {
    const buffer = this.#buffer(byteLength, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST);
    for (let at = 0; at < byteLength; at += chunk.byteLength) {
      const size = Math.min(chunk.byteLength, byteLength - at);
      this.#device.queue.writeBuffer(buffer, at, chunk.buffer, 0, size);
    }
    return buffer;
  }
}

/** Runs that are timed together, as a GPU's clock in a browser is coarse. */
const REPEATS = 4;
