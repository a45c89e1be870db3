/**
 * Where the values inside a run lie.
 *
 * WebGPU forbids that a dispatch reads and writes one buffer, whatever the ranges. So the arena has a few pages, each a
 * buffer, and what a step writes never shares a page with what it reads.
 */
import { OFFSET_ALIGNMENT, type Plan } from './plan.ts';

export interface Place {
  readonly page: number;
  /** Bytes, a multiple of `OFFSET_ALIGNMENT`. */
  readonly offset: number;
}

export interface MemoryPlan {
  /** By block; blocks outside the arena have none. */
  readonly places: ReadonlyMap<number, Place>;
  /** Bytes of each page. */
  readonly pages: readonly number[];
}

export interface Lifetime {
  readonly block: number;
  readonly byteLength: number;
  /** First and last step that binds it, both included. */
  readonly first: number;
  readonly last: number;
  /** Blocks bound by a step in which one of the two is written. */
  readonly apart: ReadonlySet<number>;
}

/** Bytes that a page may have: it is a buffer, and no block in it may be out of a binding's reach. */
export const pageLimitOf = (limits: {
  readonly maxBufferSize: number;
  readonly maxStorageBufferBindingSize: number;
}): number => Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize);

const roundUp = (bytes: number): number => Math.ceil(bytes / OFFSET_ALIGNMENT) * OFFSET_ALIGNMENT;

/** Lifetimes of the arena's blocks, in the order of their first step. */
export function lifetimesOf({ blocks, steps }: Plan): Lifetime[] {
  const found = new Map<number, { first: number; last: number; apart: Set<number> }>();
  const inArena = new Set(blocks.filter(({ source }) => source.kind === 'arena').map(({ id }) => id));
  const touch = (block: number, step: number) => {
    const known = found.get(block);
    if (known) known.last = step;
    else found.set(block, { first: step, last: step, apart: new Set() });
    return found.get(block)!;
  };
  steps.forEach(({ reads, write }, step) => {
    for (const { block } of [...reads, write]) if (inArena.has(block)) touch(block, step);
    if (!inArena.has(write.block)) return;
    for (const { block } of reads) {
      if (!inArena.has(block) || block === write.block) continue;
      found.get(write.block)!.apart.add(block);
      found.get(block)!.apart.add(write.block);
    }
  });
  return [...found].map(([block, life]) => ({ block, byteLength: blocks[block]!.byteLength, ...life }));
}

/**
 * Largest first, each at the lowest offset where nothing that lives at the same time lies, in the page that grows least.
 * @param guard bytes left free before and after each block, for debugging: then nothing is used twice
 * @param pageLimit bytes that one buffer can have
 */
export function planMemory(plan: Plan, { guard = 0, pageLimit = Infinity } = {}): MemoryPlan {
  const all = lifetimesOf(plan);
  const lifetimes = guard > 0 ? all.map((life) => ({ ...life, first: 0, last: plan.steps.length })) : all;
  const order = lifetimes.toSorted((a, b) => b.byteLength - a.byteLength || a.first - b.first);
  const places = new Map<number, Place>();
  const pages: number[] = [];
  const placed: { life: Lifetime; page: number; start: number; end: number }[] = [];
  for (const life of order) {
    const size = roundUp(life.byteLength) + 2 * roundUp(guard);
    const barred = new Set([...life.apart].flatMap((block) => places.get(block)?.page ?? []));
    let best: { page: number; start: number; growth: number } | null = null;
    for (let page = 0; page <= pages.length; page++) {
      if (barred.has(page)) continue;
      const neighbours = placed
        .filter(
          (other) => other.page === page && other.life.first <= life.last && life.first <= other.life.last,
        )
        .toSorted((a, b) => a.start - b.start);
      const start = lowestGap(neighbours, size);
      if (start + size > pageLimit && neighbours.length > 0) continue;
      // A new page is a buffer more, so it is taken only where the old ones are barred or full.
      const growth = page === pages.length ? Infinity : Math.max(0, start + size - pages[page]!);
      if (!best || growth < best.growth) best = { page, start, growth };
    }
    const { page, start } = best!;
    pages[page] = Math.max(pages[page] ?? 0, start + size);
    places.set(life.block, { page, offset: start + roundUp(guard) });
    placed.push({ life, page, start, end: start + size });
  }
  return largestFirst(places, pages);
}

/** Programs share pages by their numbers, so that large ones had better have the same. */
function largestFirst(places: ReadonlyMap<number, Place>, pages: readonly number[]): MemoryPlan {
  const order = pages.map((_, page) => page).toSorted((a, b) => pages[b]! - pages[a]!);
  const moved = [...places].map(([block, { page, offset }]): [number, Place] => [
    block,
    { page: order.indexOf(page), offset },
  ]);
  return { places: new Map(moved), pages: order.map((page) => pages[page]!) };
}

function lowestGap(taken: readonly { start: number; end: number }[], size: number): number {
  let start = 0;
  for (const range of taken) {
    if (range.start - start >= size) break;
    start = Math.max(start, range.end);
  }
  return start;
}
