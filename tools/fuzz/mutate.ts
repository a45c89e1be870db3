/** Damages files as disks, networks and hands do, and worse. All by a seed, so that a run can be repeated. */

export type Files = Map<string, Uint8Array<ArrayBuffer>>;
/** Whole numbers below `below`. */
export type Random = (below: number) => number;

/** mulberry32: small, and good enough to choose by. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % Math.max(1, below);
  };
}

const NASTY: readonly unknown[] = [
  null,
  -1,
  0,
  1,
  0.5,
  1e9,
  2 ** 31,
  2 ** 53,
  1e300,
  '',
  'x',
  '../../../etc/passwd',
  'constructor',
  '{episode_index:099d}',
  'a'.repeat(10_000),
  true,
  [],
  [null],
  [[[]]],
  {},
  { names: null },
  Array.from({ length: 5000 }, () => 1),
];

/** @returns the files with one to four faults, and what they are */
export function mutated(original: Files, random: Random): { files: Files; faults: string[] } {
  const files: Files = new Map(original);
  const faults: string[] = [];
  const count = 1 + random(4);
  for (let i = 0; i < count; i++) {
    const paths = [...files.keys()];
    const path = paths[random(paths.length)];
    if (path === undefined) break;
    faults.push(`${path}: ${mutateFile(files, path, random)}`);
  }
  return { files, faults };
}

function mutateFile(files: Files, path: string, random: Random): string {
  const bytes = files.get(path)!;
  const kind = random(40);
  if (kind === 0) {
    files.delete(path);
    return 'deleted';
  }
  if (kind === 1) {
    const other = [...files.keys()][random(files.size)]!;
    files.set(path, files.get(other)!);
    return `replaced by ${other}`;
  }
  if (/\.jsonl?$/.test(path) && random(4) > 0) {
    files.set(path, mutatedJson(bytes, path, random));
    return 'changed as JSON';
  }
  const [name, changed] = mutatedBytes(bytes, random);
  files.set(path, changed);
  return name;
}

function mutatedJson(bytes: Uint8Array, path: string, random: Random): Uint8Array<ArrayBuffer> {
  const text = new TextDecoder().decode(bytes);
  const lines = path.endsWith('.jsonl') ? text.split('\n').filter((line) => line !== '') : [text];
  const at = random(lines.length);
  try {
    lines[at] = JSON.stringify(changedValue(JSON.parse(lines[at]!), random));
  } catch {
    // Damaged by an earlier fault: left as it is.
  }
  if (random(8) === 0) lines.push(lines[random(lines.length)]!);
  return new TextEncoder().encode(lines.join('\n'));
}

function changedValue(value: unknown, random: Random): unknown {
  const inside = typeof value === 'object' && value !== null && random(10) > 0;
  if (!inside) return NASTY[random(NASTY.length)];
  if (Array.isArray(value)) {
    const list = [...(value as unknown[])];
    const at = random(list.length);
    if (random(6) === 0) list.splice(at, 1);
    else list[at] = changedValue(list[at], random);
    return list;
  }
  const entries = Object.entries(value);
  const at = random(entries.length);
  const entry = entries[at];
  if (!entry) return NASTY[random(NASTY.length)];
  if (random(8) === 0) entries.splice(at, 1);
  else entries[at] = [entry[0], changedValue(entry[1], random)];
  return Object.fromEntries(entries);
}

/** Headers are at the start or the end of a file: most faults are put there. */
function placeIn(length: number, random: Random): number {
  const near = Math.min(length, 2048);
  const where = random(3);
  return where === 0 ? random(near) : where === 1 ? length - 1 - random(near) : random(length);
}

function mutatedBytes(
  bytes: Uint8Array<ArrayBuffer>,
  random: Random,
): [name: string, bytes: Uint8Array<ArrayBuffer>] {
  const out = bytes.slice();
  const at = Math.max(0, placeIn(bytes.byteLength, random));
  switch (random(7)) {
    case 0:
      return ['cut off', bytes.slice(0, at)];
    case 1:
      return ['its start lost', bytes.slice(at)];
    case 2: {
      const length = 1 + random(64);
      out.fill(random(2) * 255, at, at + length);
      return ['overwritten', out];
    }
    case 3: {
      const length = 1 + random(256);
      out.copyWithin(at, random(bytes.byteLength), random(bytes.byteLength) + length);
      return ['copied inside', out];
    }
    case 4: {
      // A varint of 2^31 and the like.
      for (const [i, byte] of [0xff, 0xff, 0xff, 0xff, 0x0f].entries()) {
        if (at + i < out.byteLength) out[at + i] = byte;
      }
      return ['a size overwritten', out];
    }
    default: {
      const count = 1 + random(8);
      for (let i = 0; i < count; i++) {
        const place = placeIn(bytes.byteLength, random);
        if (place >= 0 && place < out.byteLength)
          out[place] = random(2) ? random(256) : out[place]! ^ (1 << random(8));
      }
      return ['bits changed', out];
    }
  }
}
