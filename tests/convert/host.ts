/** The converting worker's host over a double of the Hub, with files in memory. */
import { ownThread } from '../../src/convert/encoders.ts';
import { openCheckpointFiles } from '../../src/convert/open-source.ts';
import { planCheckpoint } from '../../src/convert/plan.ts';
import { runConversion } from '../../src/convert/run-conversion.ts';
import { memoryShardStore, type ShardStore } from '../../src/model/weights/shard-store.ts';
import type { BackendChoice } from '../../src/model/runtime/backend.ts';
import { ConvertHost } from '../../src/workers/convert/convert-host.ts';
import type { ConvertSurroundings } from '../../src/workers/convert/convert-surroundings.ts';
import { memoryTarget, type Files } from '../weights/small-package.ts';
import { REPO } from './repo.ts';

/** What `npm run convert` makes of these files in a folder of the repository's name. */
export async function convertedInNode(files: Files, bits: 4 | 8): Promise<Files> {
  const top = REPO.split('/')[1]!;
  const handed = [...files].map(([path, bytes]) => ({ path: `${top}/${path}`, file: new Blob([bytes]) }));
  const plan = await planCheckpoint(await openCheckpointFiles(handed), { bits });
  const written: Files = new Map();
  await runConversion(plan, memoryTarget(written));
  return written;
}

export const STRETCH_BYTES = 100_000;

export interface Browser {
  readonly store: ShardStore;
  readonly around: ConvertSurroundings;
}

const choice: BackendChoice = { backend: 'wasm', reason: 'A test.', adapter: null, limits: null, threads: 1 };

export function browser(
  hubUrl: string,
  { quota = 1e12, store = memoryShardStore() }: { quota?: number; store?: ShardStore } = {},
): Browser {
  return {
    store,
    around: {
      packages: store,
      fetch: (url, init) => fetch(url, init),
      hubUrl,
      now: () => performance.now(),
      threads: 1,
      startEncoders: () => ownThread,
      chooseBackend: async () => choice,
      deviceMemoryGib: 8,
      storage: async () => ({ quota, usage: 0 }),
      wait: async () => undefined,
      // Some tensors of the tiny checkpoint fill many of these, others share one.
      sizes: { stretchBytes: STRETCH_BYTES, keepBytes: STRETCH_BYTES },
    },
  };
}

/** A tab that was opened anew on the same device. */
export const tab = ({ around }: Browser): ConvertHost => new ConvertHost(around);
