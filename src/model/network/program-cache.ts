import type { Graph } from '../graph/types.ts';
import type { Program, Runtime } from '../runtime/runtime.ts';

/**
 * Compiled programs by key; the least recently used one is dropped when there are too many (each prompt length needs its own).
 * A compile that fails is not kept: the next call tries again, as memory may be free by then.
 */
export class ProgramCache {
  readonly #runtime: Runtime;
  readonly #capacity: number;
  readonly #programs = new Map<string, Promise<Program>>();

  constructor(runtime: Runtime, capacity = 64) {
    this.#runtime = runtime;
    this.#capacity = capacity;
  }

  /** @param sums of the graph: outputs that are added to tensors of the caller's, as `CompileOptions.sums` */
  async get(
    key: string,
    build: () => Graph,
    sums: (graph: Graph) => readonly string[] = () => [],
  ): Promise<Program> {
    const known = this.#programs.get(key);
    const program = known ?? this.#compile(build(), sums);
    this.#programs.delete(key);
    this.#programs.set(key, program);
    try {
      await program;
    } catch (error) {
      if (this.#programs.get(key) === program) this.#programs.delete(key);
      throw error;
    }
    if (!known) await this.#evict();
    return program;
  }

  #compile(graph: Graph, sums: (graph: Graph) => readonly string[]): Promise<Program> {
    const names = sums(graph);
    return this.#runtime.compile(graph, names.length > 0 ? { sums: names } : {});
  }

  async #evict(): Promise<void> {
    for (const [key, program] of this.#programs) {
      if (this.#programs.size <= this.#capacity) return;
      this.#programs.delete(key);
      await release(program);
    }
  }

  async dispose(): Promise<void> {
    const programs = [...this.#programs.values()];
    this.#programs.clear();
    for (const program of programs) await release(program);
  }
}

/** Whoever asked for a program that could not be compiled was told so; there is nothing to free. */
async function release(program: Promise<Program>): Promise<void> {
  const compiled = await program.catch(() => null);
  await compiled?.dispose();
}
