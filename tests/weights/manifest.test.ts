import { describe, expect, it } from 'vitest';
import { parseManifest } from '../../src/model/weights/manifest.ts';
import { refusalCode, refusedWith } from './refused.ts';

const sha256 = 'a'.repeat(64);
const valid = {
  formatVersion: 1,
  name: 'policy',
  description: '',
  source: 'test',
  config: { anything: true },
  parameters: 100,
  tokenizer: { path: 'tokenizer.json', byteLength: 10, sha256 },
  shards: [
    { path: 'shard-0000.bin', byteLength: 1024, sha256 },
    { path: 'shard-0001.bin', byteLength: 1024, sha256 },
  ],
  tensors: [
    { name: 'a', shape: [16, 16], encoding: 'f32', offset: 0 },
    // 3 rows of one block: 96 bytes of codes and 12 of scales. It starts in the first shard's place for the second.
    { name: 'b', shape: [3, 32], encoding: 'q8', offset: 1024, scalesOffset: 1280 },
    { name: 'c', shape: [5], encoding: 'f16', offset: 1536 },
  ],
};

type Change = (manifest: typeof valid) => void;

function changed(change: Change): string {
  const copy = structuredClone(valid);
  change(copy);
  return JSON.stringify(copy);
}

const tensor =
  (i: number, fields: object): Change =>
  (manifest) => {
    Object.assign(manifest.tensors[i]!, fields);
  };
const shard =
  (i: number, fields: object): Change =>
  (manifest) => {
    Object.assign(manifest.shards[i]!, fields);
  };

describe('parseManifest', () => {
  it('takes a valid one', () => {
    expect(parseManifest(JSON.stringify(valid))).toEqual(valid);
  });

  it('refuses other format versions by their number', async () => {
    for (const formatVersion of [0, 3, 99]) {
      const text = changed((manifest) => Object.assign(manifest, { formatVersion }));
      expect(await refusedWith('package-version', () => parseManifest(text))).toContain(
        String(formatVersion),
      );
    }
  });

  it.each<[string, Change]>([
    ['a version that is no number', (m) => Object.assign(m, { formatVersion: '1' })],
    ['no tensors', (m) => Object.assign(m, { tensors: [] })],
    ['a name twice', tensor(1, { name: 'a' })],
    ['tensors that overlap', tensor(2, { offset: 1024 })],
    ['scales over the data', tensor(1, { scalesOffset: 1024 })],
    ['a tensor that ends outside', tensor(2, { offset: 2048 })],
    ['a shape larger than its place', tensor(0, { shape: [16, 17] })],
    ['a negative offset', tensor(0, { offset: -256 })],
    ['an unaligned offset', tensor(2, { offset: 1540 })],
    ['an offset of no integer', tensor(0, { offset: 0.5 })],
    ['an offset beyond 2^53', tensor(2, { offset: 2 ** 60 })],
    ['a shape of astronomic size', tensor(0, { shape: [2 ** 50, 2 ** 50, 2 ** 50, 2 ** 50] })],
    ['a dimension of zero', tensor(0, { shape: [0, 4] })],
    ['a rank of nine', tensor(0, { shape: [1, 1, 1, 1, 1, 1, 1, 1, 1] })],
    ['an unknown encoding', tensor(0, { encoding: 'q2' })],
    ['codes without scales', tensor(1, { scalesOffset: undefined })],
    ['scales without codes', tensor(0, { scalesOffset: 1536 })],
    ['a quantised tensor that is no matrix', tensor(1, { shape: [96] })],
    ['a path that leaves the folder', shard(0, { path: '../shard-0000.bin' })],
    ['an absolute path', shard(0, { path: '/etc/passwd' })],
    ['a path into a folder', shard(0, { path: 'a/b.bin' })],
    ['a URL', shard(0, { path: 'https://elsewhere.test/shard.bin' })],
    ['a hidden file', shard(0, { path: '.htaccess' })],
    ['a file twice', shard(1, { path: 'shard-0000.bin' })],
    ['a shard named as the tokenizer', shard(1, { path: 'tokenizer.json' })],
    ['a hash that is no hex', shard(0, { sha256: 'z'.repeat(64) })],
    ['a hash that is too short', shard(0, { sha256: 'ab' })],
    ['a shard that is too large', shard(0, { byteLength: 2 ** 28 + 1 })],
    ['an empty shard', shard(1, { byteLength: 0 })],
    ['a config that is no object', (m) => Object.assign(m, { config: [] })],
    ['no tokenizer', (m) => Object.assign(m, { tokenizer: undefined })],
  ])('refuses %s', async (_, change) => {
    expect(await refusalCode(() => parseManifest(changed(change)))).toBe('bad-package');
  });

  it('refuses what is no manifest at all', async () => {
    for (const text of ['', '{', 'null', '[]', '1', '"text"', '<html></html>', '['.repeat(100_000)])
      expect(await refusalCode(() => parseManifest(text))).toBe('bad-package');
  });

  it('refuses the manifest’s own name as a file', async () => {
    const text = changed(shard(0, { path: 'manifest.json' }));
    expect(await refusalCode(() => parseManifest(text))).toBe('bad-package');
  });
});
