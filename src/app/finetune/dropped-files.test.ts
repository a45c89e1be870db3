import { expect, test } from 'vitest';
import { droppedFiles } from './dropped-files.ts';

const item = (
  kind: string,
  { entry = null, file = null }: { entry?: object | null; file?: File | null },
) => ({
  kind,
  webkitGetAsEntry: () => entry,
  getAsFile: () => file,
});
const dropping = (...items: object[]) => ({ items }) as unknown as DataTransfer;

const note = new File(['x'], 'note.txt');
const inFolder = {
  isFile: true,
  fullPath: '/set/meta/info.json',
  file: (done: (file: File) => void) => done(note),
};
const batches = [[inFolder], []];
const folder = {
  isFile: false,
  fullPath: '/set',
  createReader: () => ({ readEntries: (done: (entries: object[]) => void) => done(batches.shift()!) }),
};

test('folders are walked through, and a file of no folder is one, too', async () => {
  const files = await droppedFiles(
    dropping(item('file', { entry: folder }), item('file', { file: note }), item('string', {})),
  );
  expect(files.map(({ path }) => path)).toEqual(['set/meta/info.json', 'note.txt']);
});

test('text that is dropped is told to be no file, instead of doing nothing', async () => {
  await expect(droppedFiles(dropping(item('string', {})))).rejects.toThrow('it holds no file');
});
