import { GraphBuilder } from '../graph/builder.ts';
import type { Graph, Value } from '../graph/types.ts';
import { gradientName, vjp } from '../graph/vjp.ts';
import type { Runtime, Tensor, Tensors } from '../runtime/runtime.ts';
import { layered, signatureUnder, type Adapter, type WeightStore } from './adapter.ts';
import { ProgramCache } from './program-cache.ts';
import { Scope, type Tap } from './scope.ts';
import type { Tape } from './tape.ts';

/** Hears of every named stage, as upstream's modules are named; used by parity runs. The tensor lives until it returns. */
export type Trace = (stage: string, tensor: Tensor) => Promise<void>;

/** Builds a graph whose one result it returns. `scope` names weights relative to the run's prefix. */
export type Build = (g: GraphBuilder, scope: (name: string) => Scope, tap: Tap) => Value;

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

  get traced(): boolean {
    return this.#trace !== undefined;
  }

  /** Lays an adapter over the base from the next run on, or none. It stays the caller's. */
  use(adapter: Adapter | null): void {
    this.#adapter = adapter;
    this.#weights = layered(this.#base, adapter);
    this.#signatures.clear();
  }

  /** One block on `x`, which stays the caller's. */
  async runOn(
    key: string,
    prefix: string,
    x: Tensor,
    feeds: Tensors,
    stage: string,
    tape: Tape | undefined,
    build: (g: GraphBuilder, scope: (name: string) => Scope, x: Value, tap: Tap) => Value,
  ): Promise<Tensor> {
    return this.run(key, prefix, { ...feeds, x }, stage, tape, (g, scope, tap) =>
      build(g, scope, g.input('x', x.shape), tap),
    );
  }

  /**
   * Compiles (once per key) and runs one graph. `prefix` is where its weights lie: graphs shared by several blocks
   * name their weights relative to it.
   */
  async run(
    key: string,
    prefix: string,
    feeds: Tensors,
    stage: string,
    tape: Tape | undefined,
    build: Build,
  ): Promise<Tensor> {
    const root = prefix ? `${prefix}.` : '';
    const adapted = `${key} ${this.#variant(root, tape)}`;
    const compileGraph = (): Graph => {
      const g = new GraphBuilder(key);
      // Taps are named relative to a shared graph's block, whose stage is put in front again after the run.
      const tap: Tap = (name, value) => {
        if (this.#trace) g.output(relative(name, stage), value);
      };
      g.output('result', build(g, this.#scopes(g, root, tape), tap));
      return g.build();
    };
    const program = await this.#programs.get(this.#trace ? `${adapted} traced` : adapted, compileGraph);
    const bound = this.#bind(program.graph, root, feeds, tape);
    const { result, ...taps } = await program.run(bound);
    for (const [name, tensor] of Object.entries(taps)) {
      await this.#trace?.(absolute(name, stage), tensor);
      tensor.dispose();
    }
    await this.#trace?.(stage, result!);
    if (tape) this.#record(tape, adapted, root, feeds, bound, program.graph, result!);
    return result!;
  }

  /**
   * Runs a graph over all weights forwards and back at once. Nothing is computed twice, as on the tape, but everything is held at once.
   * Gradients of the loss, times `factor`, go to the tape's sink.
   * @returns the loss [1] and the prediction, which are the caller's to dispose
   */
  async differentiate(
    key: string,
    feeds: Tensors,
    factor: number,
    tape: Tape,
    build: (
      g: GraphBuilder,
      scope: (name: string) => Scope,
    ) => { readonly loss: Value; readonly predicted: Value },
  ): Promise<{ loss: Tensor; predicted: Tensor }> {
    const program = await this.#programs.get(`${key} ${this.#variant('', tape)} joint`, () => {
      const g = new GraphBuilder(key);
      const { loss, predicted } = build(g, this.#scopes(g, '', tape, true));
      g.output('loss', loss);
      g.output('predicted', predicted);
      const graph = g.build();
      const wrt = graph.inputs
        .map(({ name }) => name)
        .filter((name) => !(name in feeds) && tape.trains(name));
      return vjp(graph, { wrt, outputs: ['loss'], keep: ['loss', 'predicted'] });
    });
    const seed = this.#runtime.upload(Float32Array.of(factor), [1]);
    const bound = this.#bind(program.graph, '', { ...feeds, [gradientName('loss')]: seed }, tape);
    const { loss, predicted, ...gradients } = await program.run(bound).finally(() => seed.dispose());
    for (const [name, gradient] of Object.entries(gradients)) {
      await tape.sink(name.slice(gradientName('').length), gradient);
      gradient.dispose();
    }
    return { loss: loss!, predicted: predicted! };
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
    output: Tensor,
  ): void {
    const names = Object.keys(feeds).filter((name) => name in bound);
    const trained = Object.keys(bound).filter((name) => !(name in feeds) && tape.trains(root + name));
    const inputs = names.map((name) => feeds[name]!);
    if (trained.length === 0 && !inputs.some((input) => tape.differentiable(input))) return;
    const backward = async (dy: Tensor, needs: readonly boolean[]): Promise<(Tensor | null)[]> => {
      const wrt = [...names.filter((_, i) => needs[i]), ...trained];
      const program = await this.#programs.get(`${key} backward to ${wrt.join()}`, () =>
        vjp(graph, { wrt, outputs: ['result'] }),
      );
      const needed: Tensors = {};
      for (const { name } of program.graph.inputs) {
        needed[name] = name === gradientName('result') ? dy : bound[name]!;
      }
      const gradients = await program.run(needed);
      for (const name of trained) {
        const gradient = gradients[gradientName(name)]!;
        await tape.sink(root + name, gradient);
        gradient.dispose();
      }
      return names.map((name, i) => (needs[i] ? gradients[gradientName(name)]! : null));
    };
    tape.record({ inputs, output, backward });
  }

  #signatureUnder(root: string): string {
    if (!this.#adapter) return '';
    const known = this.#signatures.get(root);
    const signature = known ?? signatureUnder(this.#adapter, root);
    this.#signatures.set(root, signature);
    return signature;
  }

  async dispose(): Promise<void> {
    await this.#programs.dispose();
  }
}

const relative = (name: string, stage: string) =>
  name.startsWith(`${stage}.`) ? name.slice(stage.length) : name;
const absolute = (name: string, stage: string) => (name.startsWith('.') ? stage + name : name);
