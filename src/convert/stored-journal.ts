import * as v from 'valibot';
import type { ShardStore } from '../model/weights/shard-store.ts';
import type { KeptProgress, ProgressJournal } from './run-conversion.ts';

export const JOURNAL = 'conversion.journal';

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const kept = v.object({
  stretches: count,
  hash: v.nullable(v.object({ path: v.string(), at: count, state: v.string() })),
});

/** A line for each time; the last whole one counts. Each starts on a line of its own, also after one that was cut off. */
export function storedJournal(store: ShardStore, pack: string): ProgressJournal {
  return {
    read: async () => lastEntry(store, pack),
    keep: async (progress) => {
      const file = await store.file(pack, JOURNAL);
      try {
        file.write(new TextEncoder().encode(`\n${JSON.stringify(progress)}\n`), file.byteLength);
        file.flush();
      } finally {
        file.close();
      }
    },
  };
}

async function lastEntry(store: ShardStore, pack: string): Promise<KeptProgress | null> {
  if ((await store.byteLength(pack, JOURNAL)) === 0) return null;
  const lines = new TextDecoder().decode(await store.read(pack, JOURNAL)).split('\n');
  for (const line of lines.slice(0, -1).toReversed()) {
    const entry = v.safeParse(kept, parsed(line));
    if (entry.success) return entry.output;
  }
  return null;
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
