/** The images as the model sees them, per slot: pixels, so not in a store. */
import { useSyncExternalStore } from 'react';
import type { RawImage } from '../../workers/boundary/contract.ts';

/** What the model sees of one world: the cameras' pictures and the table's never mix. */
export class SeenFrames {
  readonly #seen = new Map<number, RawImage>();
  readonly #listeners = new Set<() => void>();

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  get(index: number): RawImage | null {
    return this.#seen.get(index) ?? null;
  }

  set(index: number, image: RawImage): void {
    this.#seen.set(index, image);
    this.#notify();
  }

  clear(index: number): void {
    if (this.#seen.delete(index)) this.#notify();
  }

  clearAll(): void {
    if (this.#seen.size === 0) return;
    this.#seen.clear();
    this.#notify();
  }

  #notify(): void {
    for (const listener of this.#listeners) listener();
  }
}

export const cameraSeen = new SeenFrames();
export const tableSeen = new SeenFrames();

export function useSeen(frames: SeenFrames, index: number): RawImage | null {
  return useSyncExternalStore(frames.subscribe, () => frames.get(index));
}
