/** Damage that files suffer, and what attackers do to them; the same for a seed everywhere. */

/** A small random generator (mulberry32): numbers in [0, 1). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const NUMBERS = [0n, 1n, 0xffn, 0x7fffffffn, 0xffffffffn, 0x7fffffffffffffffn, 0xffffffffffffffffn];

/** A copy with a few bits, bytes or numbers changed, a part cut out, doubled or moved, or the end missing. */
export function mutated(bytes: Uint8Array, seed: number): Uint8Array<ArrayBuffer> {
  const next = random(seed);
  const below = (most: number) => Math.floor(next() * most);
  let out = new Uint8Array(bytes);
  const changes = 1 + below(4);
  for (let i = 0; i < changes && out.length > 16; i++) {
    // Headers and metadata lie at the beginning more often than not.
    const reach = next() < 0.5 ? Math.min(out.length, 4096) : out.length;
    const at = below(reach - 8);
    const kind = below(7);
    if (kind === 0) out[at] = out[at]! ^ (1 << below(8));
    else if (kind === 1) out[at] = below(256);
    else if (kind === 2) new DataView(out.buffer).setBigUint64(at, NUMBERS[below(NUMBERS.length)]!, true);
    else if (kind === 3) new DataView(out.buffer).setUint32(at, Number(NUMBERS[below(5)]!), true);
    else if (kind === 4) out.copyWithin(at, below(out.length), below(out.length));
    else if (kind === 5) out = out.slice(0, at + 8);
    else out.fill(below(256), at, at + below(64));
  }
  return out;
}
