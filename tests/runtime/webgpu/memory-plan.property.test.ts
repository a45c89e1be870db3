import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lifetimesOf, planMemory } from '../../../src/model/runtime/webgpu/memory-plan.ts';
import {
  OFFSET_ALIGNMENT,
  type Block,
  type Plan,
  type Step,
} from '../../../src/model/runtime/webgpu/plan.ts';
import { fuzzRuns } from '../../setup/fuzz.ts';

/** A plan of random steps: each writes a block of its own, and reads some that were written before. */
const plans = fc
  .array(
    fc.record({
      byteLength: fc.oneof(fc.integer({ min: 4, max: 64 }), fc.integer({ min: 200, max: 5000 })),
      reads: fc.array(fc.nat(), { maxLength: 5 }),
      kind: fc.constantFrom('arena' as const, 'arena' as const, 'arena' as const, 'output' as const),
    }),
    { minLength: 1, maxLength: 40 },
  )
  .map((made): Plan => {
    const blocks = made.map(({ byteLength, kind }, id): Block => ({
      id,
      source: kind === 'arena' ? { kind } : { kind, name: `y${id}` },
      byteLength,
      note: '',
    }));
    const bind = (block: number) => ({ block, offset: 0, byteLength: blocks[block]!.byteLength });
    const steps = made.map(({ reads }, id): Step => ({
      kernel: 'chain',
      constants: {},
      params: [],
      reads: id === 0 ? [] : reads.map((read) => bind(read % id)),
      write: bind(id),
      workgroups: [1, 1, 1],
      note: '',
    }));
    return { name: 'random', blocks, steps, constants: [], outputs: [], sums: [] };
  });

describe('the plan of the arena', () => {
  it('lets no two blocks that live at the same time overlap, and no step read a page that it writes', () => {
    fc.assert(
      fc.property(plans, fc.constantFrom(0, 256), (plan, guard) => {
        const { places, pages } = planMemory(plan, { guard });
        const lives = lifetimesOf(plan);
        expect(places.size).toBe(plan.blocks.filter(({ source }) => source.kind === 'arena').length);
        const ranges = lives.map((life) => {
          const { page, offset } = places.get(life.block)!;
          expect(offset % OFFSET_ALIGNMENT).toBe(0);
          expect(offset + life.byteLength + guard).toBeLessThanOrEqual(pages[page]!);
          return { ...life, page, start: offset - guard, end: offset + life.byteLength + guard };
        });
        for (const [i, a] of ranges.entries()) {
          for (const b of ranges.slice(i + 1)) {
            const together = a.first <= b.last && b.first <= a.last;
            if (!together || a.page !== b.page) continue;
            expect(Math.max(a.start, b.start)).toBeGreaterThanOrEqual(Math.min(a.end, b.end));
          }
        }
        const pageOf = (block: number) => places.get(block)?.page ?? -1 - block;
        for (const { reads, write } of plan.steps)
          expect(reads.map(({ block }) => pageOf(block))).not.toContain(pageOf(write.block));
      }),
      { numRuns: fuzzRuns(300), seed: 5 },
    );
  });

  it('takes no more than all blocks side by side, and less where they follow one another', () => {
    const byteLength = 1024;
    const blocks = Array.from({ length: 10 }, (_, id): Block => ({
      id,
      source: { kind: 'arena' },
      byteLength,
      note: '',
    }));
    const bind = (block: number) => ({ block, offset: 0, byteLength });
    const steps = blocks.map(({ id }): Step => ({
      kernel: 'chain',
      constants: {},
      params: [],
      reads: id === 0 ? [] : [bind(id - 1)],
      write: bind(id),
      workgroups: [1, 1, 1],
      note: '',
    }));
    const { pages } = planMemory({ name: 'chain', blocks, steps, constants: [], outputs: [], sums: [] });
    expect(pages).toEqual([byteLength, byteLength]);
  });
});
