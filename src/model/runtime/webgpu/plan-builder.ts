import { badShape } from '../../graph/shape-check.ts';
import { sizeOf, type Node, type Shape, type Value } from '../../graph/types.ts';
import { encodedParts } from '../../weights/encoding.ts';
import {
  OFFSET_ALIGNMENT,
  type Binding,
  type Block,
  type Field,
  type Limits,
  type Part,
  type Source,
  type Step,
  type Style,
  type Styles,
  type Subject,
  type Variant,
} from './plan.ts';
import { copyStep } from './lowering/chain.ts';
import { extentOf, isContiguous, wholeView, type View } from './view.ts';

/** Kernels that have the constant `ADDS`. */
const ADDING = new Set(['product', 'product-direct', 'product-direct4', 'chain', 'reduce', 'reduce-shared']);

/** A binding, and where in it the operand starts (in elements): bindings start at multiples of 256 bytes only. */
export interface Operand extends Binding {
  readonly start: number;
}

/** Where a step may put a result that leaves the graph. */
export type Target = Extract<Source, { kind: 'output' | 'sum' }>;

export interface StepSpec {
  readonly kernel: string;
  readonly constants?: Readonly<Record<string, number>>;
  readonly params: readonly Field[];
  readonly reads: readonly Binding[];
  readonly write: Binding;
  readonly workgroups: readonly [number, number?, number?];
  readonly note: string;
  readonly variants?: readonly Variant[];
}

/** Collects blocks and steps while a graph is lowered, and knows how each value is seen. */
export class PlanBuilder {
  readonly limits: Limits;
  readonly #style: Style;
  readonly #styles: Styles;
  readonly blocks: Block[] = [];
  readonly steps: Step[] = [];
  readonly #views = new Map<number, View>();
  readonly #dense = new Map<string, View>();
  /** Outputs of the graph that a step may write to directly, by value id. */
  readonly #targets: ReadonlyMap<number, Target>;

  constructor(
    limits: Limits,
    { style, styles }: { style: Style; styles: Styles },
    targets: ReadonlyMap<number, Target>,
  ) {
    this.limits = limits;
    this.#style = style;
    this.#styles = styles;
    this.#targets = targets;
  }

  styleOf(subject: Subject): Style {
    return this.#styles[subject] ?? this.#style;
  }

  block(source: Source, byteLength: number, note: string): number {
    const id = this.blocks.length;
    this.blocks.push({ id, source, byteLength, note });
    return id;
  }

  view(value: Value): View {
    const view = this.#views.get(value.id);
    if (!view) throw new Error(`Value ${value.id} is read before it is made.`);
    return view;
  }

  setView(value: Value, view: View): void {
    this.#views.set(value.id, view);
  }

  /** The value row-major and without gaps, at an offset that can be bound: itself, or a copy that is made once. */
  contiguous(view: View): View {
    if (isContiguous(view) && (view.offset * 4) % OFFSET_ALIGNMENT === 0) return view;
    const key = [view.block, view.offset, view.shape.join('x'), view.strides.join('x')].join(' ');
    const known = this.#dense.get(key);
    if (known) return known;
    const copy = this.temporary(view.shape, 'copy');
    copyStep(this, view, copy);
    this.#dense.set(key, copy);
    return copy;
  }

  temporary(shape: Shape, note: string): View {
    return wholeView(this.block({ kind: 'arena' }, 4 * sizeOf(shape), note), shape);
  }

  /** Memory for what a node makes: an output's, or the arena. */
  result(value: Value, note: string): View {
    const source: Source = this.#targets.get(value.id) ?? { kind: 'arena' };
    const view = wholeView(this.block(source, 4 * sizeOf(value.shape), note), value.shape);
    this.setView(value, view);
    return view;
  }

  /** Binds all that a view reaches. */
  operand(view: View): Operand {
    const from = Math.floor((view.offset * 4) / OFFSET_ALIGNMENT) * OFFSET_ALIGNMENT;
    const start = view.offset - from / 4;
    return { block: view.block, offset: from, byteLength: 4 * (start + extentOf(view)), start };
  }

  /** Binds a view made contiguous. */
  denseOperand(value: Value): Operand {
    return this.operand(this.contiguous(this.view(value)));
  }

  step(spec: StepSpec): void {
    const [x, y = 1, z = 1] = spec.workgroups;
    const limit = this.limits.maxComputeWorkgroupsPerDimension;
    if (Math.max(x, y, z) > limit) {
      throw badShape(spec.note, `${x} x ${y} x ${z} workgroups`, `at most ${limit} a side on this device`);
    }
    for (const { byteLength } of [...spec.reads, spec.write]) {
      if (byteLength > this.limits.maxStorageBufferBindingSize) {
        throw badShape(
          spec.note,
          `a tensor of ${byteLength} bytes`,
          `at most ${this.limits.maxStorageBufferBindingSize}, which is what this device binds`,
        );
      }
    }
    const isSum = this.blocks[spec.write.block]!.source.kind === 'sum';
    if (isSum && !ADDING.has(spec.kernel)) throw new Error(`The kernel ${spec.kernel} cannot add to a sum.`);
    const adds: Record<string, number> = isSum ? { ADDS: 1 } : {};
    this.steps.push({
      kernel: spec.kernel,
      constants: { ...spec.constants, ...adds },
      params: spec.params,
      reads: spec.reads.map(bindingOf),
      write: bindingOf(spec.write),
      workgroups: [x, y, z],
      note: spec.note,
      ...(spec.variants && {
        variants: spec.variants.map((way) => ({ ...way, constants: { ...way.constants, ...adds } })),
      }),
    });
  }

  /** Workgroups that give each of `count` elements a thread: along x, then y. */
  flat(count: number, threads: number): [number, number] {
    const groups = Math.ceil(count / threads);
    const side = Math.max(1, Math.min(groups, this.limits.maxComputeWorkgroupsPerDimension));
    return [side, Math.ceil(groups / side)];
  }

  /** The packed parts of a weight that is an input. */
  packed(value: Value): { codes: Binding; scales: Binding } {
    const [codes, scales] = this.#packed.get(value.id)!;
    return { codes: this.whole(codes), scales: this.whole(scales) };
  }

  whole(block: number): Binding {
    return { block, offset: 0, byteLength: Math.ceil(this.blocks[block]!.byteLength / 4) * 4 };
  }

  readonly #packed = new Map<number, readonly [number, number]>();

  input(name: string, value: Value): void {
    const add = (part: Part, byteLength: number) =>
      this.block({ kind: 'input', name, part }, byteLength, name);
    if (value.dtype === 'float32') {
      this.setView(value, wholeView(add('value', 4 * sizeOf(value.shape)), value.shape));
    } else {
      const parts = encodedParts(value.shape, value.dtype);
      this.#packed.set(value.id, [add('codes', parts.data), add('scales', parts.scales)]);
    }
  }
}

const bindingOf = ({ block, offset, byteLength }: Binding): Binding => ({ block, offset, byteLength });

/** Lowers one op: records its steps and says where the result lies. */
export type Lowering = (to: PlanBuilder, node: Node) => void;
