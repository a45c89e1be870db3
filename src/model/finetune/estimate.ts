/** What a run will ask of the machine, before it starts. */
import { prefixTokens } from '../heads/sequence-segments.ts';
import { patchesOf, prefixTokensOf, usedBlocks } from '../network/config.ts';
import { headDimOf } from '../network/decoder.ts';
import type { Partition } from '../network/network.ts';
import type { PolicyConfig } from '../policy/config.ts';

/** Forward and back, in forwards without LoRA: 2 to 3.3 as one graph, up to 4.8 on the tape (docs/measurements.md). */
const STEP_BY_FORWARD = 3;

/** Seconds of a forward pass: what it costs whatever the batch, and what each sample adds. */
export interface ForwardTime {
  readonly fixed: number;
  readonly perSample: number;
}

/** @param one seconds with one sample @param two seconds with two */
export function forwardTime(one: number, two: number): ForwardTime {
  const perSample = Math.min(one, Math.max(two - one, 0));
  return { fixed: one - perSample, perSample };
}

/** Seconds of an optimiser step, roughly. */
export function stepSeconds({ fixed, perSample }: ForwardTime, batchSize: number, passes: number): number {
  return STEP_BY_FORWARD * passes * (fixed + perSample * batchSize);
}

/**
 * Parameter and two moments, float32, and the gradient, unless it is used up as it comes.
 * @param copied with onnxruntime on a GPU: a bound copy of the parameter besides
 */
export const bytesPerParameter = (copied: boolean, streamed = false): number =>
  12 + (streamed ? 0 : 4) + (copied ? 4 : 0);

/** Bytes of one checkpoint: parameters and two moments. */
export const checkpointBytes = (trained: number, idle: number): number => 12 * trained + 4 * idle;

/** Tensors of a block that the way back needs, in units of its input. */
const LIVE_BACKWARD = 40;

/** Scores, their softmax and both gradients. */
const attention = (heads: number, length: number): number => 4 * heads * length * length;

/**
 * Bytes of activations in one pass. In `blocks` every block's input is kept, and inside one block at a time all is made again; in
 * `whole` everything is kept.
 * @param tokens of text in the longest sample
 */
export function activationBytes(
  config: PolicyConfig,
  batchSize: number,
  tokens: number,
  partition: Partition,
): number {
  const { network, profile } = config;
  const positions = prefixTokens(config) + tokens;
  const stack = (blocks: number, inputSize: number, scores: number): number =>
    partition === 'whole'
      ? blocks * (inputSize * LIVE_BACKWARD + scores)
      : inputSize * (blocks + LIVE_BACKWARD) + scores;
  const { language: decoder } = network;
  const language =
    stack(decoder.layers, positions * decoder.hidden, attention(decoder.heads, positions)) +
    positions * headDimOf(decoder);
  const vision = network.vits.map((vit) => {
    const length = patchesOf(vit) + prefixTokensOf(vit);
    return profile.images.length * stack(usedBlocks(vit), length * vit.dim, attention(vit.heads, length));
  });
  const seen = partition === 'whole' ? vision.reduce((sum, bytes) => sum + bytes, 0) : Math.max(...vision);
  return 4 * batchSize * (language + seen);
}

export interface Demand {
  /** Bytes. */
  readonly memory: { readonly parameters: number; readonly activations: number; readonly base: number };
  /** Bytes the machine offers; null where it does not tell. */
  readonly memoryLimit: number | null;
  readonly checkpointBytes: number;
  readonly storageRoom: number | null;
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;

/** Why a run will not fit on this machine, in a plain sentence; null when it will. */
export function whyNot(demand: Demand): { message: string; hint: string } | null {
  const { memory, memoryLimit, checkpointBytes: onDisk, storageRoom } = demand;
  const total = memory.parameters + memory.activations + memory.base;
  if (memoryLimit !== null && total > memoryLimit) {
    return {
      message: `Training needs about ${gigabytes(total)} of memory; there are about ${gigabytes(memoryLimit)}.`,
      hint: 'Take a smaller batch or rank, or train the language model only.',
    };
  }
  if (storageRoom !== null && onDisk > storageRoom) {
    return {
      message: `A checkpoint takes ${gigabytes(onDisk)}, and this device has room for ${gigabytes(storageRoom)}.`,
      hint: 'Free disk space, delete runs you no longer need, or take a smaller rank.',
    };
  }
  return null;
}
