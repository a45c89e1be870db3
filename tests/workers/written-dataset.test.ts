import { describe, expect, it } from 'vitest';
import { openDataset } from '../../src/episodes/open-dataset.ts';
import { memoryFolder } from '../../src/io/blob-folder.ts';
import { blobReader } from '../../src/io/byte-reader.ts';
import { zipFolder } from '../../src/io/zip-folder.ts';
import { writeDataset } from '../../src/workers/training/written-dataset.ts';
import { madeDataset } from '../episodes/lerobot-writer/made.ts';
import { codeOf, loadedHost, openMadeUp } from './tiny-host.ts';

const FORM = { version: 'v3.0', frames: 'images' } as const;
const how = (stop = new AbortController()) => ({ signal: stop.signal, onProgress: () => undefined });

/** As much of a FileSystemDirectoryHandle as is used, in memory. */
function directory(files: Map<string, Uint8Array<ArrayBuffer>>, inside = ''): FileSystemDirectoryHandle {
  return {
    name: 'chosen',
    keys: async function* () {
      yield* files.keys();
    },
    getDirectoryHandle: async (name: string) => directory(files, `${inside}${name}/`),
    getFileHandle: async (name: string) => ({
      createWritable: async () => {
        const parts: Uint8Array<ArrayBuffer>[] = [];
        return {
          write: async (part: Uint8Array<ArrayBuffer>) => void parts.push(part.slice()),
          close: async () =>
            void files.set(inside + name, new Uint8Array(await new Blob(parts).arrayBuffer())),
          abort: async () => undefined,
        };
      },
    }),
  } as unknown as FileSystemDirectoryHandle;
}

describe('demonstrations that the page writes', () => {
  it('are a zip that opens again with the same numbers', async () => {
    const made = madeDataset();
    const steps: number[] = [];
    const { zip, notes } = await writeDataset(made, { kind: 'zip' }, FORM, {
      ...how(),
      onProgress: (done) => steps.push(done),
    });
    expect(notes).toEqual([]);
    expect(steps).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    const copy = await openDataset(await zipFolder('mine.zip', blobReader(zip!, 'mine.zip')));
    expect(copy.format).toBe('LeRobot v3.0');
    for (const { index } of made.episodes) {
      const [ours, theirs] = [await made.open(index), await copy.open(index)];
      expect(theirs.actions).toEqual(ours.actions);
      expect(theirs.instructions ?? [theirs.instruction]).toEqual(ours.instructions ?? [ours.instruction]);
    }
  });

  it('fill an empty folder, and leave one alone that is not', async () => {
    const files = new Map<string, Uint8Array<ArrayBuffer>>();
    await writeDataset(madeDataset(), { kind: 'folder', folder: directory(files) }, FORM, how());
    expect((await openDataset(memoryFolder('copy', files))).episodes).toHaveLength(3);
    const full = new Map([['thesis.doc', new Uint8Array(1)]]);
    await expect(
      writeDataset(madeDataset(), { kind: 'folder', folder: directory(full) }, FORM, how()),
    ).rejects.toMatchObject({ code: 'bad-input', message: expect.stringContaining('thesis.doc') as string });
    expect([...full.keys()]).toEqual(['thesis.doc']);
  });

  it('stop when they are told to, and give the episode back', async () => {
    const made = madeDataset();
    const stop = new AbortController();
    let closed = 0;
    const dataset = {
      ...made,
      open: async (index: number) => ({ ...(await made.open(index)), close: () => closed++ }),
    };
    const writing = writeDataset(dataset, { kind: 'zip' }, FORM, {
      signal: stop.signal,
      onProgress: (done) => {
        if (done === 5) stop.abort();
      },
    });
    await expect(writing).rejects.toMatchObject({ code: 'cancelled' });
    expect(closed).toBe(2);
  });
});

describe('the worker', () => {
  it('writes one dataset at a time, and stops when it is told to or the demonstrations are closed', async () => {
    const tiny = await loadedHost();
    await openMadeUp(tiny, tiny.info);
    const { demonstrations } = tiny.host;
    const images = { version: 'v2.1', frames: 'images' } as const;
    const written = await demonstrations.write({ kind: 'zip' }, images, () => undefined);
    const copy = await openDataset(await zipFolder('a.zip', blobReader(written.zip!, 'a.zip')));
    expect(copy.episodes.length).toBe(demonstrations.opened!.dataset.episodes.length);
    for (const stop of [() => demonstrations.stopWriting(), () => demonstrations.close()]) {
      const outcome = codeOf(demonstrations.write({ kind: 'zip' }, images, () => undefined));
      expect(await codeOf(demonstrations.write({ kind: 'zip' }, images, () => undefined))).toBe('busy');
      await stop();
      expect(await outcome).toBe('cancelled');
    }
    expect(await codeOf(demonstrations.write({ kind: 'zip' }, images, () => undefined))).toBe('bad-input');
    await tiny.host.dispose();
  });
});
