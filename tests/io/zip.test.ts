import { readFileSync } from 'node:fs';
import { BlobWriter, TextReader, ZipWriter } from '@zip.js/zip.js';
import { describe, expect, it } from 'vitest';
import { openDataset } from '../../src/episodes/open-dataset.ts';
import { blobReader } from '../../src/io/byte-reader.ts';
import { readText } from '../../src/io/folder.ts';
import { rootWith } from '../../src/io/paths.ts';
import { zipFolder } from '../../src/io/zip-folder.ts';

const open = (name: string) => {
  const blob = new Blob([readFileSync(`tests/io/fixtures/${name}`)]);
  return zipFolder(name, blobReader(blob, name));
};

describe('zips as other systems make them', () => {
  it.each([
    ['dataset-zip-finder.zip', 'so101'],
    ['dataset-zip-nested.zip', 'so101'],
    ['dataset-zip-top-folder-named-data.zip', 'data'],
    ['dataset-zip-backslashes.zip', 'my-set'],
  ])('opens %s', async (file, name) => {
    const dataset = await openDataset(await open(file));
    expect(dataset.name).toBe(name);
    expect(dataset.episodes.length).toBeGreaterThan(0);
    const { actions, length } = await dataset.open(dataset.episodes[0]!.index);
    expect(actions).toHaveLength(length * dataset.actionNames.length);
  });
});

async function made(files: Readonly<Record<string, string>>, options: object = {}) {
  const writer = new ZipWriter(new BlobWriter(), { level: 6, ...options });
  for (const [path, text] of Object.entries(files)) await writer.add(path, new TextReader(text));
  const blob = await writer.close();
  return zipFolder('made.zip', blobReader(blob, 'made.zip'));
}

describe('zips made by hand', () => {
  it('ignores what macOS and Windows add', async () => {
    const zip = await made({
      'set/meta/info.json': '{}',
      '__MACOSX/set/meta/._info.json': 'x',
      'set/.DS_Store': 'x',
      'set/Thumbs.db': 'x',
      'README.md': 'hello',
    });
    expect(await zip.list()).toEqual(['README.md', 'set/meta/info.json']);
    const root = (await rootWith(zip, 'meta/info.json'))!;
    expect(root.name).toBe('set');
    expect(await readText(root, 'meta/info.json')).toBe('{}');
    expect(await root.list()).toEqual(['meta/info.json']);
  });

  it('asks which of two datasets is meant, and prefers the shallower one', async () => {
    const two = await made({ 'a/meta/info.json': '1', 'b/meta/info.json': '2' });
    await expect(rootWith(two, 'meta/info.json')).rejects.toMatchObject({ code: 'bad-input' });
    const nested = await made({ 'a/meta/info.json': '1', 'a/old/meta/info.json': '2' });
    expect(await readText((await rootWith(nested, 'meta/info.json'))!, 'meta/info.json')).toBe('1');
  });

  it('refuses an encrypted zip and names the way out', async () => {
    await expect(made({ 'a.txt': 'secret' }, { password: 'x' })).rejects.toMatchObject({
      code: 'unsupported',
    });
  });
});
