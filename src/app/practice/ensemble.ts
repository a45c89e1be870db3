/** Temporal ensembling of overlapping action chunks (ACT, Zhao et al. 2023, algorithm 2). */

export interface PastChunk {
  /** Action count when it was predicted. */
  readonly at: number;
  /** [chunk][dim] */
  readonly actions: readonly (readonly number[])[];
}

/** ACT's m: how fast newer predictions lose weight against older ones. */
const DECAY = 0.01;

/** The action for step `now`: the mean of what all chunks say about it, the oldest weighing most. */
export function ensemble(chunks: readonly PastChunk[], now: number): number[] {
  const said = chunks.map(({ at, actions }) => actions[now - at]).filter((action) => action !== undefined);
  const weights = said.map((_, age) => Math.exp(-DECAY * age));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return said[0]!.map((_, dim) =>
    said.reduce((sum, action, i) => sum + (action[dim]! * weights[i]!) / total, 0),
  );
}
