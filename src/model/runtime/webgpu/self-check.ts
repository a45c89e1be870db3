/**
 * Whether our kernels compute right on a device: each runs on random numbers and is compared with the evaluator in float64, before
 * a policy does. Where one is wrong, its variant of the other style is tried.
 */
import { ModelError } from '../../../base/errors.ts';
import { evaluate } from '../../graph/evaluate.ts';
import { sizeOf, type Graph } from '../../graph/types.ts';
import { Random } from '../../../base/random.ts';
import { decodeFloat32, encodeTensor } from '../../weights/encoding.ts';
import type { Program, Tensors } from '../runtime.ts';
import { compilePlan } from './compile.ts';
import type { KernelCheck, KernelFault } from './kernel-report.ts';
import { Pipelines } from './pipelines.ts';
import type { Plan, Step, Style, Styles } from './plan.ts';
import { checkCases, type CheckCase } from './self-check-cases.ts';
import { withVariant } from './tuner.ts';
import { createOwnWebGpuRuntime, styleFor, type OwnWebGpuRuntime } from './webgpu-runtime.ts';

/**
 * Of 1 + |value|. WGSL lets `exp` be off by 3 + 2·|x| units in the last place and sums come in any order, which is below 1e-5 here;
 * arithmetic in float16 or TF32 would be off by 5e-4.
 */
const TOLERANCE = 5e-5;

/** Entries, of small weights. */
const SCALE_TABLE = 64;

interface Way {
  readonly styles: Styles;
  readonly plan: Plan;
}

export interface SelfCheckOptions {
  /** Default: the device's. */
  readonly style?: Style;
  /** What is compiled is there for the runtime that is opened afterwards. */
  readonly pipelines?: Pipelines;
  /** Default: all of them. */
  readonly cases?: readonly CheckCase[];
}

/**
 * Runs every kernel that this device would use. The device stays the caller's.
 * @throws ModelError `device-lost` or `out-of-memory`, which say nothing about kernels
 */
export async function checkKernels(device: GPUDevice, options: SelfCheckOptions = {}): Promise<KernelCheck> {
  const start = performance.now();
  const style = options.style ?? styleFor(device);
  const pipelines = options.pipelines ?? new Pipelines(device);
  let lost = null as GPUDeviceLostInfo | null;
  void device.lost.then((info) => (lost = info));
  const all = withoutMemoryErrors(device, () =>
    Promise.all((options.cases ?? checkCases()).map((each) => checkOne(device, pipelines, each, style))),
  );
  const [outcome] = await Promise.allSettled([all]);
  // On a lost device everything seems wrong.
  if (lost) {
    const message = `The GPU device was lost: ${lost.message || lost.reason}.`;
    throw new ModelError('device-lost', message, 'Load the policy again.');
  }
  if (outcome.status === 'rejected') throw outcome.reason;
  const found = outcome.value;
  return {
    right: [...new Set(found.flatMap(({ right }) => right))].toSorted(),
    faults: found.flatMap(({ faults }) => faults),
    styles: Object.assign({}, ...found.map(({ styles }) => styles)) as Styles,
    elapsedMs: performance.now() - start,
  };
}

/** A command that the device refused shows in its result, so it is not reported twice; that memory ran out is no kernel's fault. */
async function withoutMemoryErrors<T>(device: GPUDevice, task: () => Promise<T>): Promise<T> {
  const kinds = ['validation', 'internal', 'out-of-memory'] as const;
  for (const kind of kinds) device.pushErrorScope(kind);
  const result = await task();
  const [memory] = [await device.popErrorScope(), await device.popErrorScope(), await device.popErrorScope()];
  if (memory)
    throw new ModelError(
      'out-of-memory',
      `The GPU ran out of memory: ${memory.message}`,
      'Close other tabs.',
    );
  return result;
}

interface Checked {
  readonly right: readonly string[];
  readonly styles: Styles;
  readonly faults: readonly KernelFault[];
}

async function checkOne(
  device: GPUDevice,
  pipelines: Pipelines,
  each: CheckCase,
  style: Style,
): Promise<Checked> {
  const faults: Omit<KernelFault, 'replacement'>[] = [];
  for (const { styles, plan } of waysOf(each, device, style)) {
    // Of its own, so that nothing that an earlier way left can be taken for this one's.
    const runtime = createOwnWebGpuRuntime(device, {
      style,
      pipelines,
      tune: false,
      ownsDevice: false,
      // As those of large weights: a few different scales and which of them each block has.
      scaleTable: SCALE_TABLE,
    });
    try {
      const wrong = await faultsOf(runtime, each, plan);
      if (wrong.length === 0) {
        const right = plan.steps.map(kernelOf);
        const replacement = right.at(-1)!;
        return { right, styles, faults: faults.map((fault) => ({ ...fault, replacement })) };
      }
      faults.push(...wrong);
    } finally {
      await runtime.dispose();
    }
  }
  return { right: [], styles: {}, faults: faults.map((fault) => ({ ...fault, replacement: null })) };
}

/** The device's own first. */
function waysOf({ graph, subject }: CheckCase, device: GPUDevice, style: Style): Way[] {
  const planned = (styles: Styles): Plan => compilePlan(graph, device.limits, { style, styles });
  const plan = planned({});
  if (subject === null) return [{ styles: {}, plan }];
  if (subject !== 'product') {
    const other: Styles = { [subject]: style === 'tiled' ? 'direct' : 'tiled' };
    return [
      { styles: {}, plan },
      { styles: other, plan: planned(other) },
    ];
  }
  const [step] = plan.steps;
  return step!.variants!.map((variant, i) => ({
    styles: i === 0 ? {} : { product: variant.kernel === 'product' ? 'tiled' : 'direct' },
    plan: { ...plan, steps: [withVariant(step!, variant), ...plan.steps.slice(1)] },
  }));
}

/** A kernel in words, with what its constants make of it. */
export function kernelOf({ kernel, constants }: Pick<Step, 'kernel' | 'constants'>): string {
  const { TILE_ROWS, TILE_COLUMNS, THREADS } = constants;
  if (TILE_ROWS !== undefined) return `${kernel} (tile ${TILE_ROWS}x${TILE_COLUMNS})`;
  return THREADS === undefined ? kernel : `${kernel} (${THREADS} ${THREADS === 1 ? 'thread' : 'threads'})`;
}

/** What a plan computes wrong: an output each. */
async function faultsOf(
  runtime: OwnWebGpuRuntime,
  { graph, range }: CheckCase,
  plan: Plan,
): Promise<Omit<KernelFault, 'replacement'>[]> {
  const { bound, exact } = feedsOf(runtime, graph, range);
  let program: Program | null = null;
  let outputs: Tensors = {};
  try {
    program = await runtime.compilePlanned(graph, plan);
    outputs = await program.run(bound);
    const expected = evaluate(graph, exact);
    const found = await Promise.all(
      Object.entries(outputs).map(async ([name, tensor]) => {
        const { data, shape } = expected[name]!;
        const problem = difference(await runtime.read(tensor), data, shape);
        return problem === null ? [] : [{ kernel: kernelOf(lastStep(plan, name)), check: name, problem }];
      }),
    );
    return found.flat();
  } catch (error) {
    if (!(error instanceof ModelError) || error.code !== 'unsupported') throw error;
    return [{ kernel: kernelOf(plan.steps.at(-1)!), check: graph.name, problem: error.message }];
  } finally {
    for (const tensor of [...Object.values(outputs), ...Object.values(bound)]) tensor.dispose();
    await program?.dispose();
  }
}

/** The step that makes an output. */
function lastStep({ steps, blocks }: Plan, output: string): Step {
  return steps.findLast(({ write }) => {
    const { source } = blocks[write.block]!;
    return source.kind === 'output' && source.name === output;
  })!;
}

function feedsOf(runtime: OwnWebGpuRuntime, graph: Graph, [from, to]: readonly [number, number]) {
  const bound: Tensors = {};
  const exact: Record<string, Float32Array> = {};
  graph.inputs.forEach(({ name, value: { shape, dtype } }, i) => {
    const random = new Random(1, i);
    const values = Float32Array.from({ length: sizeOf(shape) }, () => from + random.uniform() * (to - from));
    if (dtype === 'float32') {
      bound[name] = runtime.upload(values, shape);
      exact[name] = values;
    } else {
      const packed = encodeTensor(name, shape, values, dtype);
      bound[name] = runtime.uploadWeight(packed);
      exact[name] = decodeFloat32(packed);
    }
  });
  return { bound, exact };
}

/** Where a result differs most from what it should be, in words; null where it does not. */
export function difference(
  found: ArrayLike<number>,
  expected: ArrayLike<number>,
  shape: readonly number[],
): string | null {
  let worst = TOLERANCE;
  let at = -1;
  for (let i = 0; i < expected.length && worst < Infinity; i++) {
    const off = Math.abs(found[i]! - expected[i]!) / (1 + Math.abs(expected[i]!));
    if (off <= worst) continue;
    worst = Number.isNaN(off) ? Infinity : off;
    at = i;
  }
  if (at < 0) return null;
  const place = shape.map((dim, axis) => Math.floor(at / sizeOf(shape.slice(axis + 1))) % dim);
  return `gave ${digits(found[at]!)} at [${place.join(', ')}], expected ${digits(expected[at]!)}`;
}

const digits = (value: number): string =>
  Number.isFinite(value) ? String(Number(value.toPrecision(6))) : String(value);
