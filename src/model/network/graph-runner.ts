import { ModelError } from '../../base/errors.ts';
import { GraphBuilder } from '../graph/builder.ts';
import { gradientOfRows, operandNames, withGradientParts, type Rows } from '../graph/gradient-parts.ts';
import type { Graph, Value } from '../graph/types.ts';
import { gradientName, vjp } from '../graph/vjp.ts';
import type { Runtime, Tensor, Tensors } from '../runtime/runtime.ts';
import { layered, signatureUnder, type Adapter, type WeightStore } from './adapter.ts';
import { keyOfParts, keyOfSums, partsOf, sinkGradients, summedIn, sumsOf } from './gradient-sinks.ts';
import { ProgramCache } from './program-cache.ts';
import { Scope, type Tap } from './scope.ts';
import { absoluteStage, buildSegments, feedsOf, type Partition, type Segment } from './segment.ts';
import type { Tape } from './tape.ts';

/** Hears of every named stage, as upstream's modules are named; used by parity runs. The tensor lives until it returns. */
export type Trace = (stage: string, tensor: Tensor) => Promise<void>;

/** Compiles graphs over named weights, once each, and runs them: with an adapter over the weights, on a tape, traced. */
export class GraphRunner {
  readonly #runtime: Runtime;
  readonly #base: WeightStore;
  readonly #programs: ProgramCache;
  readonly #trace: Trace | undefined;
  #weights: WeightStore;
  #adapter: Adapter | null = null;
  /** Signatures of the adapter by root. */
  readonly #signatures = new Map<string, string>();

  constructor(runtime: Runtime, base: WeightStore, trace: Trace | undefined) {
    this.#runtime = runtime;
    this.#base = base;
    this.#weights = base;
    this.#programs = new ProgramCache(runtime);
    this.#trace = trace;
  }

  get #fused(): boolean {
    return this.#runtime.fusedGradients ?? false;
  }

  get traced(): boolean {
    return this.#trace !== undefined;
  }

  /** Lays an adapter over the base from the next run on, or none. It stays the caller's. */
  use(adapter: Adapter | null): void {
    this.#adapter = adapter;
    this.#weights = layered(this.#base, adapter);
    this.#signatures.clear();
  }

  /**
   * Runs segments: as one graph, or one after the other, each compiled once per key and shape.
   * @param feeds by the names the segments have for them; they stay the caller's
   * @param wanted values that are returned, which are the caller's to dispose
   */
  async run(
    segments: readonly Segment[],
    feeds: Tensors,
    wanted: readonly string[],
    partition: Partition,
  ): Promise<Tensors> {
    return partition === 'whole'
      ? this.#runWhole(segments, feeds, wanted)
      : this.#runBlocks(segments, feeds, wanted);
  }

  async #runWhole(segments: readonly Segment[], feeds: Tensors, wanted: readonly string[]): Promise<Tensors> {
    const stages = new Map(
      segments.flatMap(({ outputs, stage }) => {
        const [first] = Object.values(outputs);
        return first !== undefined && wanted.includes(first) ? [[stage, first] as const] : [];
      }),
    );
    const used = Object.fromEntries(feedsOf(segments).map((name) => [name, feeds[name]!]));
    const key = keyOf(segments);
    const made = await this.#execute(
      `${key}: ${wanted.join()}`,
      '',
      used,
      undefined,
      wanted,
      (g, scope, tap) => {
        const values = new Map(
          Object.entries(used).map(([name, tensor]) => [name, g.input(name, tensor.shape)] as const),
        );
        buildSegments(g, segments, values, scope, (name, value) => {
          if (!stages.has(name)) tap(name, value);
        });
        return Object.fromEntries(wanted.map((name) => [name, values.get(name)!]));
      },
    );
    for (const [stage, name] of stages) await this.#trace?.(stage, made[name]!);
    return made;
  }

  /** @param weights gets the names of all that are bound */
  async #runBlocks(
    segments: readonly Segment[],
    feeds: Tensors,
    wanted: readonly string[],
    tape?: Tape,
    weights?: Set<string>,
  ): Promise<Tensors> {
    const values = new Map(Object.entries(feeds));
    const lastUse = new Map<string, number>();
    segments.forEach(({ inputs, outputs }, i) => {
      for (const name of [...Object.values(outputs), ...Object.values(inputs)]) lastUse.set(name, i);
    });
    const free = (tensor: Tensor) => (tape ? tape.release(tensor) : tensor.dispose());
    for (const [i, segment] of segments.entries()) {
      const { key, prefix, inputs, outputs, stage } = segment;
      const given: Tensors = Object.fromEntries(
        Object.entries(inputs).map(([local, name]) => [local, values.get(name)!]),
      );
      const locals = Object.keys(outputs);
      const root = prefix ? `${prefix}.` : '';
      // Taps are named relative to a shared graph's segment, whose stage is put in front again after the run.
      const relative = (name: string) => (name.startsWith(`${stage}.`) ? name.slice(stage.length) : name);
      const made = await this.#execute(
        key,
        root,
        given,
        tape,
        locals,
        (g, scope, tap) => {
          const args = Object.fromEntries(
            Object.entries(given).map(([name, tensor]) => [name, g.input(name, tensor.shape)]),
          );
          return segment.build(g, scope, args, (name, value) => tap(relative(name), value));
        },
        (name) => absoluteStage(name, stage),
        weights,
      );
      await this.#trace?.(stage, made[locals[0]!]!);
      for (const local of locals) values.set(outputs[local]!, made[local]!);
      for (const name of [...Object.values(inputs), ...Object.values(outputs)]) {
        if (lastUse.get(name) !== i || name in feeds || wanted.includes(name)) continue;
        const tensor = values.get(name);
        if (tensor) free(tensor);
        values.delete(name);
      }
    }
    return Object.fromEntries(wanted.map((name) => [name, values.get(name)!]));
  }

  /** Compiles (once per key and shape of what is fed) and runs one graph, whose weights lie under `root`. */
  async #execute(
    key: string,
    root: string,
    feeds: Tensors,
    tape: Tape | undefined,
    results: readonly string[],
    build: (g: GraphBuilder, scope: (name: string) => Scope, tap: Tap) => Readonly<Record<string, Value>>,
    stageOf: (tap: string) => string = (name) => name,
    weights?: Set<string>,
  ): Promise<Tensors> {
    const adapted = `${key} ${shapesOf(feeds)} ${this.#variant(root, tape)}`;
    const compileGraph = (): Graph => {
      const g = new GraphBuilder(key);
      const tap: Tap = (name, value) => {
        if (this.#trace) g.output(name, value);
      };
      const made = build(g, this.#scopes(g, root, tape), tap);
      for (const name of results) g.output(resultName(name), made[name]!);
      return g.build();
    };
    const program = await this.#programs.get(this.#trace ? `${adapted} traced` : adapted, compileGraph);
    const bound = this.#bind(program.graph, root, feeds, tape);
    const outputs = await program.run(bound);
    const made = Object.fromEntries(results.map((name) => [name, outputs[resultName(name)]!]));
    for (const { name } of program.graph.outputs) {
      if (name.startsWith(RESULT)) continue;
      await this.#trace?.(stageOf(name), outputs[name]!);
      outputs[name]!.dispose();
    }
    for (const name of Object.keys(bound)) if (!(name in feeds)) weights?.add(root + name);
    if (tape) this.#record(tape, adapted, root, feeds, bound, program.graph, made);
    return made;
  }

  /**
   * Runs segments and goes back from `loss` [1], which one of them makes: as one graph, in which nothing is computed twice but everything is held at once, or
   * one after the other on the tape. Gradients of the loss, times `factor`, go to the tape's sink.
   * @param wanted `loss`, and what else is to be returned; the caller disposes it
   */
  async differentiate(
    segments: readonly Segment[],
    feeds: Tensors,
    wanted: readonly string[],
    { partition, tape, factor }: { partition: Partition; tape: Tape; factor: number },
  ): Promise<Tensors> {
    const seed = () => this.#runtime.upload(Float32Array.of(factor), [1]);
    if (partition === 'whole') return this.#differentiateWhole(segments, feeds, wanted, seed(), tape);
    const [again, rest] = splitAgain(segments, wanted);
    // The same masks would have to be drawn again.
    const made =
      again && !tape.hasDropout
        ? await this.#runBlocks(rest, await this.#runAgain(again, feeds, tape), wanted, tape)
        : await this.#runBlocks(segments, feeds, wanted, tape);
    await tape.backward(made['loss']!, seed());
    return made;
  }

  /** Runs segments without a tape, and puts them on it as one entry, which runs them again with one. @returns the feeds and what they made */
  async #runAgain(segments: readonly Segment[], feeds: Tensors, tape: Tape): Promise<Tensors> {
    const [name] = Object.values(segments.at(-1)!.outputs) as [string];
    const used = Object.fromEntries(feedsOf(segments).map((feed) => [feed, feeds[feed]!]));
    const bound = new Set<string>();
    const made = await this.#runBlocks(segments, used, [name], undefined, bound);
    const output = made[name]!;
    const trained = [...bound].filter((weight) => tape.trains(weight));
    tape.release(output);
    if (trained.length > 0) {
      tape.record({
        trained,
        inputs: Object.values(used),
        output,
        backward: async (dy, needs) => {
          const inner = tape.inner();
          try {
            const { [name]: remade } = await this.#runBlocks(segments, used, [name], inner);
            inner.release(remade!);
            await inner.backward(remade!, dy);
          } finally {
            inner.dispose();
          }
          return needs.map(() => null);
        },
      });
    }
    return { ...feeds, [name]: output };
  }

  async #differentiateWhole(
    segments: readonly Segment[],
    feeds: Tensors,
    wanted: readonly string[],
    seed: Tensor,
    tape: Tape,
  ): Promise<Tensors> {
    const used = Object.fromEntries(feedsOf(segments).map((name) => [name, feeds[name]!]));
    const key = `${keyOf(segments)} ${shapesOf(used)}: ${wanted.join()} ${this.#variant('', tape)} and back${keyOfSums(tape)}`;
    const compileGraph = (): Graph => {
      const g = new GraphBuilder('forwards and back');
      const values = new Map(
        Object.entries(used).map(([name, tensor]) => [name, g.input(name, tensor.shape)] as const),
      );
      buildSegments(g, segments, values, this.#scopes(g, '', tape, true), () => undefined);
      for (const name of wanted) g.output(resultName(name), values.get(name)!);
      const graph = g.build();
      const names = graph.inputs.map(({ name }) => name);
      const wrt = names.filter((name) => !(name in used) && tape.trains(name));
      return vjp(graph, { wrt, outputs: [LOSS], keep: wanted.map(resultName), fused: this.#fused });
    };
    const program = await this.#programs.get(key, compileGraph, (graph) => summedIn(tape, trainedOf(graph)));
    const bound = this.#bind(program.graph, '', { ...used, [gradientName(LOSS)]: seed }, tape);
    const trained = trainedOf(program.graph);
    const outputs = await program.run(bound, sumsOf(tape, trained)).finally(() => seed.dispose());
    await sinkGradients(tape, trained, outputs);
    return Object.fromEntries(wanted.map((name) => [name, outputs[resultName(name)]!]));
  }

  /** Each input's tensor: what is fed, a dropout mask, or a weight. */
  #bind(graph: Graph, root: string, feeds: Tensors, tape: Tape | undefined): Tensors {
    const bound: Tensors = {};
    for (const { name, value } of graph.inputs) {
      bound[name] =
        feeds[name] ??
        (tape?.hasDropout && name.endsWith('.lora_dropout')
          ? tape.dropoutMask(value.shape)
          : this.#weights.tensor(root + name));
    }
    return bound;
  }

  /** Scopes over the weights under `root`, as the adapter changes them. */
  #scopes(g: GraphBuilder, root: string, tape: Tape | undefined, merged = false): (name: string) => Scope {
    const lora = { scaling: this.#adapter?.scaling ?? 1, dropout: tape?.hasDropout ?? false, merged };
    const { table } = this.#weights;
    return (name) => {
      const label = name ? `${name}.` : '';
      return new Scope(g, table, root + label, label, lora);
    };
  }

  /** What adapter and dropout change about a graph. */
  #variant(root: string, tape: Tape | undefined): string {
    return `${this.#signatureUnder(root)}${tape?.hasDropout ? ' dropout' : ''}`;
  }

  /** Puts a run on the tape where something in it or before it is trained. */
  #record(
    tape: Tape,
    key: string,
    root: string,
    feeds: Tensors,
    bound: Tensors,
    graph: Graph,
    made: Tensors,
  ): void {
    const [[local, output] = [], ...others] = Object.entries(made);
    const result = local && resultName(local);
    const names = Object.keys(feeds).filter((name) => name in bound);
    const trained = Object.keys(bound).filter((name) => !(name in feeds) && tape.trains(root + name));
    const inputs = names.map((name) => feeds[name]!);
    if (trained.length === 0 && !inputs.some((input) => tape.differentiable(input))) return;
    if (!result || !output || others.length > 0) {
      throw new ModelError('unsupported', `The graph ${graph.name} has several results; a tape records one.`);
    }
    const backward = async (dy: Tensor, needs: readonly boolean[]): Promise<(Tensor | null)[]> => {
      const wrt = [...names.filter((_, i) => needs[i]), ...trained];
      const parts = partsOf(tape, trained, root, bound);
      const program = await this.#programs.get(
        `${key} backward to ${wrt.join()}${keyOfParts(parts)}${keyOfSums(tape)}`,
        () => withGradientParts(vjp(graph, { wrt, outputs: [result], fused: this.#fused }), parts),
        () => summedIn(tape, trained),
      );
      const needed: Tensors = {};
      for (const { name } of program.graph.inputs) {
        needed[name] = name === gradientName(result) ? dy : bound[name]!;
      }
      const gradients = await program.run(needed, sumsOf(tape, trained, root));
      await sinkGradients(tape, trained, gradients, root);
      for (const [name, rows] of parts) await this.#sinkParts(tape, root, name, rows, gradients);
      return names.map((name, i) => (needs[i] ? gradients[gradientName(name)]! : null));
    };
    const absolute = trained.map((name) => root + name);
    tape.record({ trained: absolute, inputs, output, backward, add: (a, b) => this.#add(a, b) });
  }

  /** Makes a gradient part by part from what it is the product of, if the graph left that. */
  async #sinkParts(
    tape: Tape,
    root: string,
    name: string,
    parts: readonly Rows[],
    made: Tensors,
  ): Promise<void> {
    const names = operandNames(gradientName(name));
    const x = made[names.x];
    if (!x) return;
    for (const rows of parts) {
      const dy = made[names.dy(rows)]!;
      const program = await this.#programs.get(
        `gradient of rows ${dy.shape.join('x')} ${x.shape.join('x')}`,
        () => gradientOfRows(dy.shape, x.shape),
      );
      const { gradient } = await program.run({ dy, x });
      await tape.sink({ name: root + name, rows, last: tape.isLast(root + name) }, gradient!);
      gradient!.dispose();
      dy.dispose();
    }
    x.dispose();
  }

  #signatureUnder(root: string): string {
    if (!this.#adapter) return '';
    const known = this.#signatures.get(root);
    const signature = known ?? signatureUnder(this.#adapter, root);
    this.#signatures.set(root, signature);
    return signature;
  }

  /** Two gradients of one tensor, summed; both are freed. */
  async #add(a: Tensor, b: Tensor): Promise<Tensor> {
    const program = await this.#programs.get(`add ${a.shape.join('x')}`, () => {
      const g = new GraphBuilder('add');
      g.output('sum', g.add(g.input('a', a.shape), g.input('b', b.shape)));
      return g.build();
    });
    const { sum } = await program.run({ a, b });
    a.dispose();
    b.dispose();
    return sum!;
  }

  async dispose(): Promise<void> {
    await this.#programs.dispose();
  }
}

/** The segments at the beginning that are run again on the way back, or null, and the others. */
function splitAgain(
  segments: readonly Segment[],
  wanted: readonly string[],
): [again: readonly Segment[] | null, rest: readonly Segment[]] {
  const label = segments[0]?.again;
  const count = segments.findIndex(({ again }) => again !== label);
  if (label === undefined || count <= 1) return [null, segments];
  const again = segments.slice(0, count);
  const inside = again.slice(0, -1).flatMap(({ outputs }) => Object.values(outputs));
  return wanted.some((name) => inside.includes(name)) ? [null, segments] : [again, segments.slice(count)];
}

/** Trained weights whose gradients a graph makes. */
const trainedOf = (graph: Graph): string[] =>
  graph.outputs
    .filter(({ name }) => !name.startsWith(RESULT))
    .map(({ name }) => name.slice(gradientName('').length));

/** An input may have the same name. */
const RESULT = 'result: ';
const resultName = (name: string): string => RESULT + name;
const LOSS = resultName('loss');

const keyOf = (segments: readonly Segment[]): string =>
  segments.map(({ key, prefix }) => `${prefix} ${key}`).join('; ');

const shapesOf = (feeds: Tensors): string =>
  `(${Object.entries(feeds)
    .map(([name, { shape }]) => `${name} ${shape.join('x')}`)
    .join()})`;
