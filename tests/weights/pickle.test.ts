import { describe, expect, it } from 'vitest';
import { memoryReader } from '../../src/io/byte-reader.ts';
import { unpickle } from '../../src/model/weights/pickle.ts';
import { openTorchArchive } from '../../src/model/weights/torch-archive.ts';
import { archive, concat, pickle, tensor, type Picklable } from './make-archive.ts';
import { refusalCode, refusedWith } from './refused.ts';

const text = (ascii: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(ascii);
const refused = (bytes: Uint8Array) => refusedWith('bad-pickle', () => unpickle(bytes));

describe('unpickle', () => {
  it('gives plain data', () => {
    const value: Picklable = { dict: { a: [1, -2, 'three', null, true], b: { dict: { c: { tuple: [] } } } } };
    expect(unpickle(pickle(value))).toEqual(
      new Map<string, unknown>([
        ['a', [1, -2, 'three', null, true]],
        ['b', new Map([['c', []]])],
      ]),
    );
  });

  it('reads integers and floats of every width', () => {
    const bytes = concat(
      text('(K'),
      [200],
      text('M'),
      [0x34, 0x12],
      text('J'),
      [255, 255, 255, 255],
      [0x8a, 6, 0, 0, 0, 0, 0, 1],
      [0x8a, 1, 0xfe],
      [0x8a, 0],
      text('G'),
      [0x3f, 0xf8, 0, 0, 0, 0, 0, 0],
      text('t.'),
    );
    expect(unpickle(bytes)).toEqual([200, 0x1234, -1, 2 ** 40, -2, 0, 1.5]);
  });

  it('runs nothing and names what was asked for', async () => {
    expect(await refused(text("cposix\nsystem\n(S'ls'\ntR."))).toContain('"posix.system"');
    expect(await refused(pickle({ call: 'builtins.eval', args: ['1'] }))).toContain('"builtins.eval"');
    const stackGlobal = [text('X'), [2, 0, 0, 0], text('osX'), [6, 0, 0, 0], text('system'), [0x93]];
    expect(await refused(concat(...stackGlobal, text(')R.')))).toContain('"os.system"');
    expect(await refused(text("(S'ls'\nios\nsystem\n."))).toMatch(/opcode 0x53|os\.system/);
    expect(await refused(text('(ios\nsystem\n.'))).toContain('"os.system"');
    expect(await refused(pickle({ call: 'torch.load', args: ['other.pt'] }))).toContain('"torch.load"');
    // Names that objects inherit are no entries of the tables.
    for (const name of ['torch.constructor', 'constructor', '__proto__', 'toString'])
      expect(await refused(text(`c\n${name}\n.`))).toContain(name);
    expect(await refused(pickle({ global: 'torch.float32' }))).toContain('"torch.float32"');
    expect(await refused(pickle({ call: 'torch._utils._rebuild_tensor_v3', args: [] }))).toContain(
      '_rebuild_tensor_v3',
    );
  });

  it('calls nothing that is no callable, and no callable with other arguments', async () => {
    expect(await refused(pickle({ call: 'torch.FloatStorage', args: [] }))).toContain('pickle');
    expect(await refused(pickle({ call: 'collections.OrderedDict', args: [[1]] }))).toContain('pickle');
    expect(
      await refused(pickle({ call: 'torch._utils._rebuild_tensor_v2', args: [null, 0, 0, 0] })),
    ).toContain('pickle');
    expect(await refused(pickle({ call: 'torch._utils._rebuild_parameter', args: ['tensor'] }))).toContain(
      'pickle',
    );
    expect(await refused(pickle({ persistent: ['storage', 'torch.FloatStorage', '0', 'cpu', 1] }))).toContain(
      'pickle',
    );
    // An instance's state, set on what is no dict.
    expect(await refused(text('](Nt)b.'))).toContain('pickle');
  });

  it('refuses to end with something that is no data', async () => {
    for (const program of ['(.', 'ccollections\nOrderedDict\n.', '.', '0.', 't.', 'h\0.', 'Q.'])
      expect(await refused(text(program))).toContain('pickle');
  });

  it('stops at every truncation', async () => {
    const whole = pickle({ dict: { weights: [1, 'two', { tuple: [3, 4] }] } });
    for (let length = 0; length < whole.length; length++)
      expect(await refused(whole.slice(0, length))).toContain('pickle');
  });

  it('refuses giant lengths without allocating', async () => {
    for (const program of [
      concat(text('X'), [255, 255, 255, 255]),
      concat([0x8a], [255]),
      concat([0x8c], [255]),
    ])
      expect(await refused(concat(program, text('.')))).toContain('pickle');
  });

  it('does not turn a nested or repeated list into a name', async () => {
    // [[[…]]] doubled sixty times by the memo: as text it would have 2^60 characters.
    const doubling = Array.from({ length: 60 }, (_, i) =>
      concat(text('(h'), [i], text('h'), [i], text('tq'), [i + 1]),
    );
    expect(
      await refused(
        concat(text(')q'), [0], ...doubling, text('X'), [1, 0, 0, 0], text('x'), [0x93], text('.')),
      ),
    ).toContain('pickle');
    const deep = concat(
      text('('.repeat(100_000)),
      text('t'.repeat(100_000)),
      text('X'),
      [1, 0, 0, 0],
      text('x'),
      [0x93, 0x2e],
    );
    expect(await refused(deep)).toContain('pickle');
  });

  it('refuses more values than a checkpoint has', async () => {
    expect(await refused(text('N'.repeat(1_000_001)))).toContain('values');
  });
});

const open = async (program: Uint8Array<ArrayBuffer>) =>
  openTorchArchive(memoryReader(await archive({ 'data.pkl': program })));

/** Dict number i + 1, which holds the one before under ten names. */
const level = (i: number) =>
  concat(
    text('}('),
    ...Array.from({ length: 10 }, (_, k) => concat(text('X'), [1, 0, 0, 0], text(String(k)), text('h'), [i])),
    text('uq'),
    [i + 1],
  );

describe('hostile archives', () => {
  it('refuses a dict that holds itself', async () => {
    expect(await refusalCode(() => open(concat(text('}q\0X'), [1, 0, 0, 0], text('ah\0s.'))))).toBe(
      'bad-pickle',
    );
  });

  it('refuses a memo bomb of dicts', async () => {
    // Thirty levels are 10^30 values.
    const start = performance.now();
    expect(
      await refusalCode(() =>
        open(concat(text('}q'), [0], ...Array.from({ length: 30 }, (_, i) => level(i)), text('.'))),
      ),
    ).toBe('bad-pickle');
    expect(performance.now() - start).toBeLessThan(5000);
  });

  it('refuses names of absurd length', async () => {
    expect(await refusalCode(() => open(pickle({ dict: { ['k'.repeat(2000)]: 1 } })))).toBe('bad-pickle');
  });

  it('refuses many long names made of few bytes', async () => {
    // Twenty nested dicts with keys of 900 characters, then one tensor under 5000 short keys: 90 MB of names.
    const view = { shape: [1], stride: [1] };
    const short = Object.fromEntries(
      Array.from({ length: 5000 }, (_, i) => [String(i), tensor('0', 'ByteStorage', 1, view)]),
    );
    const nested = Array.from({ length: 20 }).reduce<Picklable>(
      (inner) => ({ dict: { ['k'.repeat(900)]: inner } }),
      { dict: short },
    );
    const bytes = await archive({ 'data.pkl': pickle(nested), 'data/0': new Uint8Array(1) });
    expect(await refusedWith('bad-pickle', () => openTorchArchive(memoryReader(bytes)))).toContain('names');
  });

  it('takes no other object for a tensor', async () => {
    for (const value of [
      { global: 'torch.FloatStorage' },
      { persistent: ['storage', { global: 'torch.FloatStorage' }, '0', 'cpu', 1] },
    ])
      expect((await open(pickle({ dict: { w: value } }))).entries.size).toBe(0);
  });
});
