/** The images as the model sees them, per slot: pixels, so not in a store. */
import { useSyncExternalStore } from 'react';
import type { RawImage } from '../../workers/contract.ts';

const seen = new Map<number, RawImage>();
const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function notify(): void {
  for (const listener of listeners) listener();
}

export function setSeen(index: number, image: RawImage): void {
  seen.set(index, image);
  notify();
}

export function clearSeen(index: number): void {
  if (seen.delete(index)) notify();
}

export function useSeen(index: number): RawImage | null {
  return useSyncExternalStore(subscribe, () => seen.get(index) ?? null);
}
