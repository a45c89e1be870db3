/** Debugging: whether kernels write past the end of what they are given. */
import { readBuffer } from '../../kernels/gpu-run.ts';
import type { MemoryPlan } from './memory-plan.ts';
import type { Plan } from './plan.ts';

/** Bytes around every tensor that nothing may touch. */
export const GUARD_BYTES = 256;

/** A NaN that no computation makes, so that reading what was never written shows, too. */
const PATTERN = 0x7fc0dead;

export function fillWithPattern(device: GPUDevice, buffer: GPUBuffer): void {
  device.queue.writeBuffer(buffer, 0, new Uint32Array(buffer.size / 4).fill(PATTERN));
}

/** @throws Error that names what lies before the first spoilt place */
export async function checkGuards(
  device: GPUDevice,
  plan: Plan,
  { places }: MemoryPlan,
  pages: readonly GPUBuffer[],
): Promise<void> {
  for (const [page, buffer] of pages.entries()) {
    const words = new Uint32Array(await readBuffer(device, buffer));
    const ranges = [...places]
      .filter(([, place]) => place.page === page)
      .map(([block, { offset }]) => ({ block, start: offset, end: offset + plan.blocks[block]!.byteLength }))
      .toSorted((a, b) => a.start - b.start);
    let free = 0;
    let before = 'the start of the page';
    for (const { block, start, end } of [...ranges, { block: -1, start: buffer.size, end: buffer.size }]) {
      checkFree(words, free, start, `${plan.name}: ${before}`);
      free = end;
      before = plan.blocks[block]?.note ?? '';
    }
  }
}

export async function checkTail(
  device: GPUDevice,
  buffer: GPUBuffer,
  end: number,
  what: string,
): Promise<void> {
  checkFree(new Uint32Array(await readBuffer(device, buffer)), end, buffer.size, what);
}

function checkFree(words: Uint32Array, start: number, end: number, after: string): void {
  for (let at = start / 4; at < end / 4; at++) {
    if (words[at] !== PATTERN)
      throw new Error(`Something was written ${4 * at - start} bytes after ${after}.`);
  }
}
