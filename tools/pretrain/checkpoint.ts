/** A pretraining run on disk: numbers in one file, written whole or not at all. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ModelError } from '../../src/base/errors.ts';
import type { SharedMemory } from './shared.ts';

const PARTS = ['parameter', 'average', 'm', 'v'] as const;
/** Older ones are deleted. */
const KEPT = 2;

const nameOf = (step: number) => `step-${String(step).padStart(7, '0')}.bin`;

export function saveRun(folder: string, step: number, memory: SharedMemory): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, nameOf(step));
  const parts = PARTS.map((part) => new Uint8Array(new Uint8Array(memory[part])));
  writeFileSync(`${path}.part`, Buffer.concat(parts));
  renameSync(`${path}.part`, path);
  for (const old of stepsIn(folder).slice(0, -KEPT)) rmSync(join(folder, nameOf(old)));
  return path;
}

/** The last saved step; 0 where there is none. @throws RangeError for a file of another size */
export function restoreRun(folder: string, memory: SharedMemory): number {
  const step = stepsIn(folder).at(-1);
  if (step === undefined) return 0;
  const bytes = readFileSync(join(folder, nameOf(step)));
  const size = memory.parameter.byteLength;
  if (bytes.length !== PARTS.length * size)
    throw new RangeError(
      `${nameOf(step)} has ${bytes.length} bytes, expected ${PARTS.length * size}: another architecture.`,
    );
  PARTS.forEach((part, i) => new Uint8Array(memory[part]).set(bytes.subarray(i * size, (i + 1) * size)));
  return step;
}

/** The running average of the weights at the last saved step. @throws ModelError `bad-input` where none is saved */
export function readAverage(
  folder: string,
  count: number,
): { readonly step: number; readonly values: Float32Array } {
  const step = stepsIn(folder).at(-1);
  if (step === undefined)
    throw new ModelError('bad-input', `No step is saved in ${folder}.`, 'Run npm run pretrain first.');
  const bytes = readFileSync(join(folder, nameOf(step)));
  const values = new Float32Array(count);
  new Uint8Array(values.buffer).set(bytes.subarray(4 * count, 8 * count));
  return { step, values };
}

function stepsIn(folder: string): number[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .map((file) => /^step-(\d+)\.bin$/.exec(file)?.[1])
    .filter((digits) => digits !== undefined)
    .map(Number)
    .toSorted((a, b) => a - b);
}
