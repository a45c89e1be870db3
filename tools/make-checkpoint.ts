/**
 * A checkpoint folder as upstream lays it out, in bf16, with random weights. For measuring the converter at full size; as a command
 * `node tools/node/run.mjs tools/make-checkpoint.ts`.
 */
import { existsSync } from 'node:fs';
import { copyFile, mkdir, open, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ModelError } from '../src/base/errors.ts';
import type { Shapes } from '../src/model/network/config.ts';
import { toBfloat16 } from '../src/model/weights/half.ts';
import { safetensorsHeader } from '../src/model/weights/safetensors.ts';
import { elementCount } from '../src/model/weights/tensor-file.ts';
import { contentsOf, SHAPE_NAMES, type CheckpointContents } from './make-checkpoint/contents.ts';
import { parseArguments } from './node/arguments.ts';

/** Hugging Face's default for sharded checkpoints. */
const SHARD_BYTES = 5e9;

/** Random values are drawn once and used again from changing places: 7 billion draws would take minutes. */
const POOL_VALUES = 2 ** 22;

/** Spread of the weights of a trained Llama-2. */
const WEIGHT_STD = 0.02;

export interface ShardProgress {
  /** The shard that was just finished. */
  readonly path: string;
  /** Bytes of the model's tensors so far, and of all of them. */
  readonly written: number;
  readonly total: number;
}

/**
 * Writes the folder; one shard is one file of the index.
 * @param options `maxShardBytes`: smaller shards, for tests; `onShard`: told after each
 * @throws ModelError `bad-input` where something is there already
 */
export async function makeCheckpoint(
  folder: string,
  contents: CheckpointContents,
  options: { seed?: number; maxShardBytes?: number; onShard?: (progress: ShardProgress) => void } = {},
): Promise<void> {
  if (existsSync(folder))
    throw new ModelError('bad-input', `${folder} exists already.`, 'Name a new folder.');
  await mkdir(folder, { recursive: true });
  const pool = randomPool(options.seed ?? 0);
  const { model, modules, json, tokenizer } = contents;

  const shards = cutIntoShards(model, options.maxShardBytes ?? SHARD_BYTES);
  const weightMap: Record<string, string> = {};
  const totalSize = byteLengthOf(model);
  let written = 0;
  for (const [i, shard] of shards.entries()) {
    const path = `model-${numbered(i + 1)}-of-${numbered(shards.length)}.safetensors`;
    for (const name of shard.keys()) weightMap[name] = path;
    await writeTensors(join(folder, path), shard, pool);
    written += byteLengthOf(shard);
    options.onShard?.({ path, written, total: totalSize });
  }
  await writeJson(join(folder, 'model.safetensors.index.json'), {
    metadata: { total_size: totalSize },
    weight_map: weightMap,
  });
  for (const [name, tensors] of Object.entries(modules))
    await writeTensors(join(folder, `${name}.safetensors`), tensors, pool);
  for (const [name, content] of Object.entries(json)) await writeJson(join(folder, name), content);
  if (tokenizer) await copyFile(tokenizer, join(folder, 'tokenizer.json'));
}

const numbered = (n: number): string => String(n).padStart(5, '0');

function byteLengthOf(tensors: Shapes): number {
  return 2 * [...tensors.values()].reduce((sum, shape) => sum + elementCount(shape), 0);
}

function cutIntoShards(tensors: Shapes, maxBytes: number): Map<string, readonly number[]>[] {
  const shards = [new Map<string, readonly number[]>()];
  let size = 0;
  for (const [name, shape] of tensors) {
    const bytes = 2 * elementCount(shape);
    if (size > 0 && size + bytes > maxBytes) {
      shards.push(new Map());
      size = 0;
    }
    shards.at(-1)!.set(name, shape);
    size += bytes;
  }
  return shards;
}

async function writeTensors(path: string, tensors: Shapes, pool: RandomPool): Promise<void> {
  const list = [...tensors].map(([name, shape]) => ({ name, shape, dtype: 'BF16' as const }));
  const file = await open(path, 'wx');
  try {
    await file.writeFile(safetensorsHeader(list));
    for (const { shape } of list) {
      for (let left = elementCount(shape); left > 0;) {
        const piece = pool.next(left);
        await file.writeFile(new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength));
        left -= piece.length;
      }
    }
  } finally {
    await file.close();
  }
}

interface RandomPool {
  /** Up to `count` bf16 values, as many as there are until the pool's end. */
  next(count: number): Uint16Array<ArrayBuffer>;
}

function randomPool(seed: number): RandomPool {
  const random = mulberry32(seed);
  // The sum of three uniform values is near enough to a normal one, and has its variance: 3/12 = 1/4.
  const values = Float32Array.from(
    { length: POOL_VALUES },
    () => (random() + random() + random() - 1.5) * 2 * WEIGHT_STD,
  );
  const pool = toBfloat16(values);
  return {
    next: (count) => {
      const start = Math.floor((random() * POOL_VALUES) / 2);
      return pool.subarray(start, Math.min(POOL_VALUES, start + count));
    },
  };
}

function mulberry32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

async function writeJson(path: string, json: object): Promise<void> {
  await writeFile(path, JSON.stringify(json));
}

const entry = process.argv[1];
if (entry && import.meta.url === pathToFileURL(resolve(entry)).href) {
  const usage = `usage: node tools/node/run.mjs tools/make-checkpoint.ts <folder> [options]

Writes a checkpoint folder as upstream lays it out, in bf16, with random weights.

  <folder>        has to be new
  --shape NAME    7b (OpenVLA-7B, 15 GB), oft-qwen2.5-0.5b (OpenVLA-OFT on Qwen2.5-0.5B, 2.6 GB),
                  vla-adapter (VLA-Adapter Pro, 2.9 GB) or tiny (a golden case's) (default tiny)
  --seed N        seed of the weights (default 0)`;
  const args = parseArguments(usage, {
    allowPositionals: true,
    options: { shape: { type: 'string', default: 'tiny' }, seed: { type: 'string', default: '0' } },
  });
  const [folder] = args.exactly('<folder>');
  const contents = contentsOf(args.oneOf('shape', SHAPE_NAMES));
  const seed = args.wholeNumber('seed', 0);
  const start = performance.now();
  await makeCheckpoint(folder, contents, {
    seed,
    onShard: ({ path, written, total }) => {
      const rate = written / 1e3 / (performance.now() - start);
      console.log(`${path}: ${(100 * (written / total)).toFixed(0)} % written, ${rate.toFixed(0)} MB/s`);
    },
  });
  // maxRSS is in kilobytes.
  const peak = process.resourceUsage().maxRSS / 1000;
  console.log(`${folder}, peak memory ${peak.toFixed(0)} MB`);
}
