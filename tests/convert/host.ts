/** The converting worker's host over a double of the Hub, with files in memory. */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ownThread } from '../../src/convert/encoders.ts';
import { llama2TokenizerJson } from '../../src/convert/llama2-tokenizer.ts';
import { openCheckpointFiles } from '../../src/convert/open-source.ts';
import { planCheckpoint } from '../../src/convert/plan.ts';
import { runConversion } from '../../src/convert/run-conversion.ts';
import { memoryReader } from '../../src/io/byte-reader.ts';
import { openSafetensors, safetensorsHeader } from '../../src/model/weights/safetensors.ts';
import { memoryShardStore, type ShardStore } from '../../src/model/weights/shard-store.ts';
import type { BackendChoice } from '../../src/model/runtime/backend.ts';
import { ConvertHost } from '../../src/workers/convert/convert-host.ts';
import type { ConvertSurroundings } from '../../src/workers/convert/convert-surroundings.ts';
import { memoryTarget, type Files } from '../weights/small-package.ts';

export const REPO = 'moojink/tiny-libero';

let tokenizer: Promise<Uint8Array> | null = null;

/** Llama 2's `tokenizer.json`, 32,000 entries written once. */
function tokenizerBytes(): Promise<Uint8Array> {
  tokenizer ??= llama2TokenizerJson().then((json) => new TextEncoder().encode(JSON.stringify(json)));
  return tokenizer;
}

/** What a Hub repository of a golden case holds: upstream's files, and none of the reference data. */
export async function repoFiles(of = 'libero-l1'): Promise<Files> {
  const folder = join('tests/golden', of);
  const files: Files = new Map();
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (!statSync(path).isFile() || /^(io|merged|merged_io|train.*|meta)\.|^generation/.test(name)) continue;
    files.set(name, new Uint8Array(readFileSync(path)));
  }
  files.set('tokenizer.json', (await tokenizerBytes()) as Uint8Array<ArrayBuffer>);
  return files;
}

/** The same checkpoint with its model in two shards, as large ones are saved. */
export async function inTwoShards(files: Files): Promise<Files> {
  const model = await openSafetensors(memoryReader(files.get('model.safetensors')!));
  const all = [...model.entries].map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
  const weightMap: Record<string, string> = {};
  const sharded: Files = new Map([...files].filter(([path]) => path !== 'model.safetensors'));
  for (const [i, tensors] of [all.slice(0, all.length / 2), all.slice(all.length / 2)].entries()) {
    const path = `model-0000${i + 1}-of-00002.safetensors`;
    const parts = [safetensorsHeader(tensors)];
    for (const { name } of tensors) {
      weightMap[name] = path;
      parts.push(await model.readRaw(name));
    }
    sharded.set(path, new Uint8Array(Buffer.concat(parts)));
  }
  const index = { metadata: {}, weight_map: weightMap };
  sharded.set('model.safetensors.index.json', new TextEncoder().encode(JSON.stringify(index)));
  return sharded;
}

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
