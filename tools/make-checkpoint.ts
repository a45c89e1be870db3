/**
 * `node tools/node/run.mjs tools/make-checkpoint.ts <folder> [--shape 7b|tiny] [--seed N]`: a checkpoint folder as
 * upstream lays it out, in bf16, with random weights. For measuring the converter at full size (7b is 15 GB).
 */
import { existsSync } from 'node:fs';
import { mkdir, open, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { ModelError } from '../src/model/errors.ts';
import type { Shapes } from '../src/model/network/config.ts';
import { toBfloat16 } from '../src/model/weights/half.ts';
import { safetensorsHeader } from '../src/model/weights/safetensors.ts';
import { elementCount } from '../src/model/weights/tensor-file.ts';
import { CHECKPOINT_SHAPES, checkpointTensors, type CheckpointShape } from './convert/checkpoint-shapes.ts';

/** Hugging Face's default for sharded checkpoints. */
const SHARD_BYTES = 5e9;

/** Random values are drawn once and used again from changing places: 7 billion draws would take minutes. */
const POOL_VALUES = 2 ** 22;

/** Spread of the weights of a trained Llama-2. */
const WEIGHT_STD = 0.02;

/**
 * Writes the folder; one shard is one file of the index.
 * @param maxShardBytes smaller shards, for tests
 * @throws ModelError `bad-input` where something is there already
 */
export async function makeCheckpoint(
  folder: string,
  shape: CheckpointShape,
  options: { seed?: number; maxShardBytes?: number } = {},
): Promise<void> {
  if (existsSync(folder))
    throw new ModelError('bad-input', `${folder} exists already.`, 'Name a new folder.');
  await mkdir(folder, { recursive: true });
  const pool = randomPool(options.seed ?? 0);
  const { model, actionHead, proprioProjector } = checkpointTensors(shape);

  const shards = cutIntoShards(model, options.maxShardBytes ?? SHARD_BYTES);
  const weightMap: Record<string, string> = {};
  for (const [i, shard] of shards.entries()) {
    const path = `model-${numbered(i + 1)}-of-${numbered(shards.length)}.safetensors`;
    for (const name of shard.keys()) weightMap[name] = path;
    await writeTensors(join(folder, path), shard, pool);
  }
  const totalSize = 2 * [...model.values()].reduce((sum, dims) => sum + elementCount(dims), 0);
  await writeJson(join(folder, 'model.safetensors.index.json'), {
    metadata: { total_size: totalSize },
    weight_map: weightMap,
  });
  await writeTensors(join(folder, 'action_head.safetensors'), actionHead, pool);
  await writeTensors(join(folder, 'proprio_projector.safetensors'), proprioProjector, pool);
  await writeJson(join(folder, 'config.json'), configJson(shape));
  await writeJson(join(folder, 'dataset_statistics.json'), statisticsJson(shape));
}

const numbered = (n: number): string => String(n).padStart(5, '0');

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

/** What networkConfig reads; `oracle_tiny_vits` gives the heads of ViTs that timm does not know. */
function configJson({ dino, siglip, imageSize, llama }: CheckpointShape): object {
  const known = dino.timmId.startsWith('vit_');
  return {
    model_type: 'openvla',
    architectures: ['OpenVLAForActionPrediction'],
    use_fused_vision_backbone: true,
    timm_model_ids: [dino.timmId, siglip.timmId],
    image_sizes: [imageSize, imageSize],
    image_resize_strategy: 'resize-naive',
    n_action_bins: 256,
    pad_to_multiple_of: 64,
    text_config: { model_type: 'llama', num_attention_heads: llama.heads, vocab_size: llama.vocabulary },
    torch_dtype: 'bfloat16',
    ...(known ? {} : { oracle_tiny_vits: [dino, siglip].map(({ heads }) => ({ num_heads: heads })) }),
  };
}

function statisticsJson({ actionDim, proprioDim }: CheckpointShape): object {
  return {
    libero_random: {
      action: { ...bounds(actionDim), mask: Array.from({ length: actionDim }, (_, i) => i < actionDim - 1) },
      proprio: bounds(proprioDim),
      num_transitions: 1,
      num_trajectories: 1,
    },
  };
}

function bounds(length: number): Record<string, number[]> {
  const all = (value: number) => Array.from({ length }, () => value);
  return { mean: all(0), std: all(0.5), min: all(-1), max: all(1), q01: all(-0.9), q99: all(0.9) };
}

async function writeJson(path: string, json: object): Promise<void> {
  await writeFile(path, JSON.stringify(json));
}

const entry = process.argv[1];
if (entry && import.meta.url === pathToFileURL(resolve(entry)).href) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { shape: { type: 'string', default: 'tiny' }, seed: { type: 'string', default: '0' } },
  });
  const folder = positionals[0];
  const shape = Object.entries(CHECKPOINT_SHAPES).find(([name]) => name === values.shape)?.[1];
  if (!folder || !shape) {
    const names = Object.keys(CHECKPOINT_SHAPES).join('|');
    console.error(
      `usage: node tools/node/run.mjs tools/make-checkpoint.ts <folder> [--shape ${names}] [--seed N]`,
    );
    process.exit(2);
  }
  await makeCheckpoint(folder, shape, { seed: Number(values.seed) });
  console.log(folder);
}
