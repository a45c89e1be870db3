/** What the policy has said about the actions to come: chunks that overlap, blended or the newest alone. */

export interface Chunk {
  /** The step that its first action is for. */
  readonly at: number;
  /** [chunk][dim] */
  readonly actions: readonly (readonly number[])[];
}

/** ACT's m: how fast newer predictions lose weight against older ones (Zhao et al. 2023, algorithm 2). */
const DECAY = 0.01;

export class Plan {
  #chunks: Chunk[] = [];

  /** @param ensembling all that is said about a step counts, not the newest chunk alone */
  add(chunk: Chunk, ensembling: boolean): void {
    const before = ensembling ? this.#chunks.filter((old) => chunk.at < old.at + old.actions.length) : [];
    this.#chunks = [...before, chunk];
  }

  clear(): void {
    this.#chunks = [];
  }

  /** Null where nothing is said about that step. */
  at(step: number): readonly number[] | null {
    const said = this.#chunks.flatMap(({ at, actions }) => {
      const action = actions[step - at];
      return action ? [action] : [];
    });
    return said.length > 0 ? ensemble(said) : null;
  }
}

/** The mean of what overlapping chunks say about one step, the oldest weighing most. @param said oldest first; one at least */
export function ensemble(said: readonly (readonly number[])[]): readonly number[] {
  const [first] = said;
  if (said.length === 1) return first!;
  const weights = said.map((_, age) => Math.exp(-DECAY * age));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return first!.map((_, dim) =>
    said.reduce((sum, action, i) => sum + (action[dim]! * weights[i]!) / total, 0),
  );
}
