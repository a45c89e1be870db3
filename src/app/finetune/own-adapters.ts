/** What the visitor calls adapters, and which of them were taken off the list. The worker keeps them as they are. */
import type { AdapterInfo } from '../../workers/boundary/contract-adapters.ts';

const NAMES = 'openvla-web names of adapters';
/** Those named first are forgotten. */
const MOST = 200;

/** Off the list in this visit, by id. */
const removed = new Set<string>();

function names(): Readonly<Record<string, string>> {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(NAMES) ?? '{}');
    return typeof stored === 'object' && stored !== null ? (stored as Record<string, string>) : {};
  } catch {
    return {};
  }
}

/** As the visitor wants to see them. */
export function asOwned(adapters: readonly AdapterInfo[]): AdapterInfo[] {
  const own = names();
  return adapters
    .filter(({ id }) => !removed.has(id))
    .map((adapter) => {
      const name = own[adapter.id];
      return typeof name === 'string' && name !== '' ? { ...adapter, label: name } : adapter;
    });
}

/** @param name null for the one it came with */
export function nameAdapter(id: string, name: string | null): void {
  const { [id]: _before, ...others } = names();
  const kept = Object.entries(others).slice(-(MOST - 1));
  try {
    localStorage.setItem(NAMES, JSON.stringify(Object.fromEntries([...kept, ...(name ? [[id, name]] : [])])));
  } catch {
    // Without storage it has its name until the next visit.
  }
}

/** The name that the visitor gave it; null where none was given. */
export function ownName(id: string): string | null {
  return names()[id] ?? null;
}

export function takeOffList(id: string): void {
  removed.add(id);
}

export function putOnList(id: string): void {
  removed.delete(id);
}
