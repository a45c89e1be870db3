import type { Graph } from '../graph/types.ts';
import type { Program, Runtime } from '../runtime/runtime.ts';

/** Compiled programs by key; the least recently used one goes when there are too many (each prompt length needs its own). */
export class ProgramCache {
  readonly #runtime: Runtime;
  readonly #capacity: number;
  readonly #programs = new Map<string, Promise<Program>>();

  constructor(runtime: Runtime, capacity = 64) {
    this.#runtime = runtime;
    this.#capacity = capacity;
  }

  async get(key: string, build: () => Graph): Promise<Program> {
    const known = this.#programs.get(key);
    const program = known ?? this.#runtime.compile(build());
    this.#programs.delete(key);
    this.#programs.set(key, program);
    if (!known) await this.#evict();
    return program;
  }

  async #evict(): Promise<void> {
    for (const [key, program] of this.#programs) {
      if (this.#programs.size <= this.#capacity) return;
      this.#programs.delete(key);
      await (await program).dispose();
    }
  }

  async dispose(): Promise<void> {
    const programs = [...this.#programs.values()];
    this.#programs.clear();
    for (const program of programs) await (await program).dispose();
  }
}
