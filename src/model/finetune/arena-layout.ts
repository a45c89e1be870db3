/** Where trained parameters lie on a GPU: in pages of flat buffers. */
import { ModelError } from '../../base/errors.ts';
import { sizeOf, type Shape } from '../graph/types.ts';

/** Small enough for every device's binding limit, large enough that AdamW takes few dispatches. */
const PAGE_BYTES = 128 * 2 ** 20;

/** Floats: WebGPU binds parts of buffers from multiples of 256 bytes on. */
const ALIGNMENT = 64;

export interface Slot {
  readonly page: number;
  /** In floats. */
  readonly offset: number;
  readonly count: number;
}

export interface ArenaLayout {
  readonly slots: ReadonlyMap<string, Slot>;
  /** Floats of each page. */
  readonly pageCounts: readonly number[];
}

/**
 * Places each parameter on a page, where it can be bound; none straddles two.
 * @throws ModelError `out-of-memory` for one that the device cannot bind at once
 */
export function layOutArena(
  limits: { readonly maxStorageBufferBindingSize: number; readonly maxBufferSize: number },
  parameters: ReadonlyMap<string, { readonly shape: Shape }>,
): ArenaLayout {
  const limit = Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize) / 4;
  const wanted = Math.min(PAGE_BYTES / 4, limit);
  const slots = new Map<string, Slot>();
  const pageCounts: number[] = [];
  for (const [name, { shape }] of parameters) {
    const count = sizeOf(shape);
    const room = Math.ceil(count / ALIGNMENT) * ALIGNMENT;
    if (count > limit) {
      throw new ModelError(
        'out-of-memory',
        `"${name}" has ${4 * count} bytes; this GPU binds at most ${4 * limit} at once.`,
        'Take a smaller rank, or fewer targets.',
      );
    }
    const last = pageCounts.length - 1;
    const page = last >= 0 && pageCounts[last]! + room <= Math.max(wanted, room) ? last : last + 1;
    const offset = pageCounts[page] ?? 0;
    slots.set(name, { page, offset, count });
    pageCounts[page] = offset + room;
  }
  return { slots, pageCounts };
}

/** Parameters and two moments, and gradients unless they are used up as they come. */
export const arenaByteLength = ({ pageCounts }: ArenaLayout, streamed: boolean): number =>
  pageCounts.reduce((sum, count) => sum + (streamed ? 12 : 16) * count, 0);
