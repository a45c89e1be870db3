/** A network as a list of segments: how it is cut into graphs is a grouping of that list, nothing else. */
import type { GraphBuilder } from '../graph/builder.ts';
import type { Value } from '../graph/types.ts';
import type { Scope, Tap } from './scope.ts';

/**
 * A piece of the network: what it reads, where its weights lie, and how it computes. Values between segments have names; those nobody
 * makes are fed.
 */
export interface Segment {
  /** Segments that compute alike have equal keys: on their own they share one graph, bound to each one's weights. */
  readonly key: string;
  /** Where its weights lie; `scope` names them relative to it. */
  readonly prefix: string;
  /** The name of each input in `build` → the value it is. */
  readonly inputs: Readonly<Record<string, string>>;
  /** The name of each result of `build` → the value it makes. The first is what `stage` is the name of. */
  readonly outputs: Readonly<Record<string, string>>;
  /**
   * Neighbours of one name are run again on the way back, where they are graphs of their own: what passes between them is not kept meanwhile. They read
   * nothing that is differentiated, and the last one's only output is all that others read.
   */
  readonly again?: string;
  /** Upstream's name of the first output. */
  readonly stage: string;
  /** `tap` names stages: relative to `stage` where the name starts with a dot. */
  readonly build: (
    g: GraphBuilder,
    scope: (name: string) => Scope,
    inputs: Readonly<Record<string, Value>>,
    tap: Tap,
  ) => Readonly<Record<string, Value>>;
}

/** Everything as one graph, or one graph per segment. */
export type Partition = 'whole' | 'blocks';

export const absoluteStage = (name: string, stage: string): string =>
  name.startsWith('.') ? stage + name : name;

/**
 * Builds segments one after the other into one graph.
 * @param values what is fed, by name; what the segments make is added
 * @param scope over all weights
 */
export function buildSegments(
  g: GraphBuilder,
  segments: readonly Segment[],
  values: Map<string, Value>,
  scope: (name: string) => Scope,
  tap: Tap,
): void {
  for (const { prefix, inputs, outputs, stage, build } of segments) {
    const given = Object.fromEntries(
      Object.entries(inputs).map(([local, name]) => [local, values.get(name)!]),
    );
    const inside = (name: string) => scope([prefix, name].filter(Boolean).join('.'));
    const made = build(g, inside, given, (name, value) => tap(absoluteStage(name, stage), value));
    for (const [i, [local, name]] of Object.entries(outputs).entries()) {
      values.set(name, made[local]!);
      if (i === 0) tap(stage, made[local]!);
    }
  }
}

/** Names that segments read and none of them makes. */
export function feedsOf(segments: readonly Segment[]): string[] {
  const made = new Set<string>();
  const feeds = new Set<string>();
  for (const { inputs, outputs } of segments) {
    for (const name of Object.values(inputs)) if (!made.has(name)) feeds.add(name);
    for (const name of Object.values(outputs)) made.add(name);
  }
  return [...feeds];
}
