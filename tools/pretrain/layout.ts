/** Which weights are trained, and where each lies in the flat memory. */
import { sizeOf, type Shape } from '../../src/model/graph/types.ts';
import type { HostTensor } from '../../src/model/finetune/trained.ts';
import type { PolicyConfig } from '../../src/model/policy/config.ts';
import { jointGraph } from '../../src/model/pretrain/joint-graph.ts';
import { AUXILIARIES } from './practice-policy.ts';

export interface Placed {
  readonly name: string;
  readonly shape: Shape;
  /** First number. */
  readonly start: number;
}

/** All that the joint graph reads, and the token embedding. Attention over fewer than 80 tokens is never run, so any number serves here. */
export function trainedLayout(config: PolicyConfig, weights: ReadonlyMap<string, HostTensor>): Placed[] {
  const table = new Map(
    [...weights].map(([name, { shape }]) => [name, { shape, dtype: 'float32' as const }]),
  );
  const graph = jointGraph(config, table, { batch: 1, tokens: 80, auxiliaries: AUXILIARIES });
  const names = graph.inputs.map(({ name }) => name).filter((name) => weights.has(name));
  let start = 0;
  return [...names, 'language_model.model.embed_tokens.weight'].map((name) => {
    const { shape } = weights.get(name)!;
    const placed = { name, shape, start };
    start += sizeOf(shape);
    return placed;
  });
}
