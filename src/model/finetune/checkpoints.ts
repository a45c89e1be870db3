/**
 * Checkpoints of a fine-tuning run on this device. A checkpoint is two files: the tensors, and a small seal that is written
 * last and names their length and hashes. A crash at any moment leaves the earlier checkpoints as they were; what has no
 * valid seal does not count and is removed by the next save.
 */
import * as v from 'valibot';
import { ModelError } from '../../base/errors.ts';
import { sha256Hex } from '../../base/sha256.ts';
import { memoryReader } from '../../io/byte-reader.ts';
import { openSafetensors, safetensorsHeader } from '../weights/safetensors.ts';
import type { ShardStore } from '../weights/shard-store.ts';
import type { HostTensor } from './trained.ts';

/** Everything a run needs to go on as if it had never stopped. */
export interface Checkpoint {
  readonly run: string;
  /** Optimiser steps done. */
  readonly step: number;
  /** The run's options and history: plain data, the trainer's own business. */
  readonly state: Readonly<Record<string, unknown>>;
  readonly tensors: ReadonlyMap<string, HostTensor>;
}

export interface CheckpointInfo {
  readonly run: string;
  readonly step: number;
  readonly byteLength: number;
}

const sealSchema = v.object({
  format: v.literal(1),
  run: v.string(),
  step: v.pipe(v.number(), v.integer(), v.minValue(0)),
  byteLength: v.pipe(v.number(), v.integer(), v.minValue(8)),
  /** SHA-256 of each piece of `PIECE` bytes. */
  hashes: v.array(v.string()),
  state: v.record(v.string(), v.unknown()),
});
type Seal = v.InferOutput<typeof sealSchema>;

const PIECE = 16 * 2 ** 20;
const dataPath = (step: number) => `step-${String(step).padStart(8, '0')}.safetensors`;
const sealPath = (step: number) => `step-${String(step).padStart(8, '0')}.json`;

/**
 * Writes a checkpoint, then drops the one of step `inPlaceOf`, the oldest beyond `keep` and whatever an earlier crash left.
 * @throws ModelError `storage-full`; the earlier checkpoints stay
 */
export async function saveCheckpoint(
  store: ShardStore,
  checkpoint: Checkpoint,
  { keep = 2, inPlaceOf = null }: { readonly keep?: number; readonly inPlaceOf?: number | null } = {},
): Promise<void> {
  const { run, step, state, tensors } = checkpoint;
  await removeUnsealed(store, run);
  try {
    const { byteLength, hashes } = await writeTensors(store, run, dataPath(step), tensors);
    const seal: Seal = { format: 1, run, step, byteLength, hashes, state: { ...state } };
    await store.write(run, sealPath(step), new TextEncoder().encode(JSON.stringify(seal)));
  } catch (error) {
    await store.remove(run, sealPath(step)).catch(() => undefined);
    await store.remove(run, dataPath(step)).catch(() => undefined);
    throw error;
  }
  if (inPlaceOf !== null && inPlaceOf !== step) await removeCheckpoint(store, run, inPlaceOf);
  const steps = (await listCheckpoints(store, run)).map((entry) => entry.step);
  for (const old of steps.slice(0, Math.max(0, steps.length - keep))) await removeCheckpoint(store, run, old);
}

/** Checkpoints with a readable seal, oldest first. Their data is not read. */
export async function listCheckpoints(store: ShardStore, run: string): Promise<CheckpointInfo[]> {
  const found: CheckpointInfo[] = [];
  for (const path of await store.files(run)) {
    const match = /^step-(\d+)\.json$/.exec(path);
    const seal = match && (await readSeal(store, run, Number(match[1])));
    if (seal) found.push({ run, step: seal.step, byteLength: seal.byteLength });
  }
  return found.toSorted((a, b) => a.step - b.step);
}

/** The newest checkpoint whose bytes are as they were written; null where there is none. */
export async function loadLatestCheckpoint(store: ShardStore, run: string): Promise<Checkpoint | null> {
  for (const { step } of (await listCheckpoints(store, run)).toReversed()) {
    const checkpoint = await loadCheckpoint(store, run, step).catch((error: unknown) => {
      if (error instanceof ModelError && (error.code === 'hash-mismatch' || error.code === 'bad-file'))
        return null;
      throw error;
    });
    if (checkpoint) return checkpoint;
  }
  return null;
}

/** @throws ModelError `bad-file` or `hash-mismatch` for a checkpoint that is missing or damaged */
export async function loadCheckpoint(store: ShardStore, run: string, step: number): Promise<Checkpoint> {
  const seal = await readSeal(store, run, step);
  if (!seal) throw new ModelError('bad-file', `The run "${run}" has no checkpoint of step ${step}.`);
  const bytes = await store.read(run, dataPath(step));
  const hashes = await hashPieces(bytes);
  if (bytes.byteLength !== seal.byteLength || hashes.join() !== seal.hashes.join()) {
    throw new ModelError(
      'hash-mismatch',
      `The checkpoint of step ${step} is damaged: it has ${bytes.byteLength} bytes, ${seal.byteLength} were written.`,
      'An earlier checkpoint of the run may still be whole.',
    );
  }
  const file = await openSafetensors(memoryReader(bytes));
  const tensors = new Map<string, HostTensor>();
  for (const [name, { shape }] of file.entries)
    tensors.set(name, { shape, data: await file.readFloat32(name) });
  return { run, step, state: seal.state, tensors };
}

/** The state of a checkpoint without its tensors; null where it has no readable seal. */
export async function loadCheckpointState(
  store: ShardStore,
  run: string,
  step: number,
): Promise<Checkpoint['state'] | null> {
  return (await readSeal(store, run, step))?.state ?? null;
}

export async function removeCheckpoint(store: ShardStore, run: string, step: number): Promise<void> {
  // The seal goes first: a checkpoint without one does not count.
  await store.remove(run, sealPath(step));
  await store.remove(run, dataPath(step));
}

async function readSeal(store: ShardStore, run: string, step: number): Promise<Seal | null> {
  try {
    const text = new TextDecoder().decode(await store.read(run, sealPath(step)));
    const parsed = v.safeParse(sealSchema, JSON.parse(text));
    return parsed.success && parsed.output.step === step ? parsed.output : null;
  } catch (error) {
    if (error instanceof SyntaxError || (error instanceof ModelError && error.code === 'bad-file'))
      return null;
    throw error;
  }
}

async function removeUnsealed(store: ShardStore, run: string): Promise<void> {
  const sealed = new Set((await listCheckpoints(store, run)).map(({ step }) => dataPath(step)));
  for (const path of await store.files(run)) {
    const step = /^step-(\d+)\.(safetensors|json)$/.exec(path)?.[1];
    if (step && !sealed.has(dataPath(Number(step)))) await store.remove(run, path);
  }
}

async function writeTensors(
  store: ShardStore,
  run: string,
  path: string,
  tensors: ReadonlyMap<string, HostTensor>,
): Promise<{ byteLength: number; hashes: string[] }> {
  const list = [...tensors].map(([name, { shape }]) => ({ name, dtype: 'F32' as const, shape }));
  const hashes: string[] = [];
  const file = await store.appender(run, path);
  let buffer = new Uint8Array(PIECE);
  let filled = 0;
  const flush = async () => {
    if (filled === 0) return;
    const piece = buffer.slice(0, filled);
    hashes.push(await sha256Hex(piece));
    file.append(piece);
    filled = 0;
  };
  const push = async (bytes: Uint8Array) => {
    for (let at = 0; at < bytes.byteLength;) {
      const count = Math.min(bytes.byteLength - at, PIECE - filled);
      buffer.set(bytes.subarray(at, at + count), filled);
      filled += count;
      at += count;
      if (filled === PIECE) await flush();
    }
  };
  try {
    await push(safetensorsHeader(list, { format: 'pt' }));
    for (const { data } of tensors.values()) {
      await push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    }
    await flush();
    return { byteLength: file.byteLength, hashes };
  } finally {
    buffer = new Uint8Array();
    file.close();
  }
}

async function hashPieces(bytes: Uint8Array<ArrayBuffer>): Promise<string[]> {
  const hashes: string[] = [];
  for (let at = 0; at < bytes.byteLength; at += PIECE) {
    hashes.push(await sha256Hex(bytes.slice(at, Math.min(at + PIECE, bytes.byteLength))));
  }
  return hashes;
}
