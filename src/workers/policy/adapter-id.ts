import type { HostTensor, TrainedState } from '../../model/finetune/trained.ts';
import { sha256Hex } from '../../base/sha256.ts';

/** Everything an adapter holds, by a name of its own. */
function tensorsOf({ adapters, modules }: TrainedState): [string, HostTensor][] {
  const lora = [...adapters].flatMap(([module, { a, b }]): [string, HostTensor][] => [
    [`${module}.lora_A`, a],
    [`${module}.lora_B`, b],
  ]);
  return [...lora, ...modules].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

/** Numbers that are trained, and bytes held. */
export function sizeOfAdapter(state: TrainedState): {
  readonly trainable: number;
  readonly byteLength: number;
} {
  const trainable = tensorsOf(state).reduce((sum, [, { data }]) => sum + data.length, 0);
  return { trainable, byteLength: 4 * trainable };
}

/**
 * A name that follows from content and label: two adapters of one label never share it, and one that is read again is known to be the same.
 * @returns 32 hexadecimal digits of a SHA-256
 */
export async function adapterId(state: TrainedState, label: string): Promise<string> {
  const hashes: string[] = [];
  for (const [name, { shape, data }] of tensorsOf(state)) {
    const bytes = new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
    hashes.push(`${name} ${shape.join('x')} ${await sha256Hex(bytes)}`);
  }
  const { run, step, own, lora, statistics } = state;
  const text = JSON.stringify(sorted({ label, run, step, own, lora, statistics, hashes }));
  return (await sha256Hex(new TextEncoder().encode(text))).slice(0, 32);
}

/** The same data in one order of keys. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner)]));
}
