/** How long hostile files keep others waiting while they are checked. */
import { expect, it } from 'vitest';
import { ModelError } from '../../src/base/errors.ts';
import { checkAdapterFile } from '../../src/share/adapter-file.ts';
import { fileWith } from '../weights/damaged-headers.ts';

/** As issue 21 asks; the collection of garbage may fall into one try, so the best of some counts. */
const LONGEST_STALL_MS = 50;
const TRIES = 5;
/** A little below what a header may have; and what one upload was that kept everybody waiting for seconds. */
const HEADER = 2 ** 19 - 100;
const LARGE = 4 * 2 ** 20;

const numbered = (bytes: number, one: (index: number) => string) => {
  const items = [];
  for (let length = 0, at = 0; length < bytes - 100; at++) {
    const item = one(at);
    items.push(item);
    length += item.length + 1;
  }
  return items.join(',');
};
const nested = (bytes: number, open: string, close: string) => {
  const depth = Math.floor((bytes - 10) / (open.length + close.length));
  return open.repeat(depth) + close.repeat(depth);
};
const entry = (at: number) =>
  `"t${at}":{"dtype":"F32","shape":[1,1,1],"data_offsets":[${at * 4},${at * 4 + 4}]}`;

const HOSTILE: readonly [what: string, make: (bytes: number) => string][] = [
  ['many tensors', (bytes) => `{${numbered(bytes, entry)}}`],
  ['many keys', (bytes) => `{${numbered(bytes, (at) => `"${at.toString(36)}":0`)}}`],
  ['many fields', (bytes) => `{"a":{${numbered(bytes, (at) => `"${at.toString(36)}":0`)}}}`],
  ['much metadata', (bytes) => `{"__metadata__":{${numbered(bytes, (at) => `"${at.toString(36)}":""`)}}}`],
  ['many dimensions', (bytes) => `{"a":{"dtype":"F32","shape":[${numbered(bytes, () => '1')}]}}`],
  ['lists in lists', (bytes) => `{"a":${nested(bytes, '[', ']')}}`],
  ['objects in objects', (bytes) => `{"a":${nested(bytes, '{"a":', '}').replace('{"a":}', '{}')}}`],
  ['a name of escapes', (bytes) => `{"${'\\u0041'.repeat(Math.floor(bytes / 6) - 5)}":0}`],
];

/**
 * The longest that this thread works on end while it checks a file, in milliseconds of its processor: on a machine that does other things too,
 * the clock on the wall says nothing about it.
 */
async function longestStall(bytes: Uint8Array): Promise<number> {
  let longest = 0;
  let checking = true;
  let last = process.cpuUsage();
  const look = () => {
    const { user, system } = process.cpuUsage(last);
    last = process.cpuUsage();
    longest = Math.max(longest, (user + system) / 1000);
    if (isChecking()) setImmediate(look);
  };
  const isChecking = () => checking;
  await new Promise(setImmediate);
  last = process.cpuUsage();
  setImmediate(look);
  const read = (offset: number, length: number) => Promise.resolve(bytes.subarray(offset, offset + length));
  await expect(checkAdapterFile({ size: bytes.length, read })).rejects.toBeInstanceOf(ModelError);
  await new Promise((done) => setTimeout(done, 5));
  checking = false;
  return longest;
}

it.each(HOSTILE.flatMap(([what, make]) => [HEADER, LARGE].map((bytes) => [what, bytes, make] as const)))(
  '%s in a header of %d bytes keep nobody waiting',
  async (_, bytes, make) => {
    const file = fileWith(make(bytes));
    let best = Infinity;
    for (let at = 0; at < TRIES && best > LONGEST_STALL_MS; at++)
      best = Math.min(best, await longestStall(file));
    expect(best).toBeLessThan(LONGEST_STALL_MS);
  },
);
