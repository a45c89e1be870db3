import type { Tensor } from '../runtime/runtime.ts';
import type { WeightTable } from './scope.ts';

/** Weights on the runtime, by upstream's name. They stay the store's; the network only binds them. */
export interface WeightStore {
  readonly table: WeightTable;
  tensor(name: string): Tensor;
}

/**
 * Weights laid over a base without changing it: LoRA factors (`<module>.lora_A.weight`, `<module>.lora_B.weight`) and
 * modules trained from scratch. A network binds them instead of, or beside, its own; switching costs nothing.
 */
export interface Adapter extends WeightStore {
  /** α / r */
  readonly scaling: number;
  readonly names: readonly string[];
}

/** The base as it is seen through an adapter. */
export function layered(base: WeightStore, adapter: Adapter | null): WeightStore {
  if (!adapter) return base;
  return {
    table: {
      get: (name) => adapter.table.get(name) ?? base.table.get(name),
      has: (name) => adapter.table.has(name) || base.table.has(name),
    },
    tensor: (name) => (adapter.table.has(name) ? adapter : base).tensor(name),
  };
}

/**
 * What an adapter changes about the graphs whose weights lie under `root`: names relative to it, shapes and scaling. Blocks that are
 * adapted alike have equal signatures and share compiled graphs.
 */
export function signatureUnder(adapter: Adapter, root: string): string {
  const parts = adapter.names
    .filter((name) => name.startsWith(root))
    .map((name) => `${name.slice(root.length)} ${adapter.table.get(name)!.shape.join('x')}`);
  return parts.length > 0 ? `${adapter.scaling} ${parts.toSorted().join()}` : '';
}
