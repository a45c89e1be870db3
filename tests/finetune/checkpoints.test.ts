import { describe, expect, it } from 'vitest';
import type { ModelError } from '../../src/base/errors.ts';
import {
  listCheckpoints,
  loadCheckpoint,
  loadLatestCheckpoint,
  saveCheckpoint,
  type Checkpoint,
} from '../../src/model/finetune/checkpoints.ts';
import { memoryShardStore, type ShardStore } from '../../src/model/weights/shard-store.ts';

const RUN = 'pick up the cube';

function checkpointOf(step: number, size = 50): Checkpoint {
  const data = Float32Array.from({ length: size }, (_, i) => step + i / 7);
  const tensors = new Map([
    ['parameter/a', { shape: [5, size / 5], data }],
    ['exp_avg/a', { shape: [5, size / 5], data: data.map((x) => -x) }],
  ]);
  return { run: RUN, step, state: { note: `step ${step}` }, tensors };
}

/** A store that stops for good at its n-th change, as a crash does: nothing after it happens, cleaning up neither. */
function crashing(store: ShardStore, at: number): { store: ShardStore; crashed: () => boolean } {
  let changes = 0;
  const change = () => {
    changes += 1;
    if (changes >= at) throw new Error('crash');
  };
  return {
    crashed: () => changes >= at,
    store: {
      ...store,
      write: async (pack, path, bytes) => {
        try {
          change();
        } catch (error) {
          // Half of it is on the disk.
          await store.write(pack, path, bytes.slice(0, bytes.byteLength / 2));
          throw error;
        }
        await store.write(pack, path, bytes);
      },
      appender: async (pack, path) => {
        change();
        const file = await store.appender(pack, path);
        return {
          get byteLength() {
            return file.byteLength;
          },
          append: (bytes) => {
            try {
              change();
            } catch (error) {
              file.append(bytes.slice(0, bytes.byteLength / 2));
              throw error;
            }
            file.append(bytes);
          },
          close: () => file.close(),
        };
      },
      remove: async (pack, path) => {
        change();
        await store.remove(pack, path);
      },
    },
  };
}

describe('checkpoints of a run', () => {
  it('gives back what was saved, to the bit', async () => {
    const store = memoryShardStore();
    await saveCheckpoint(store, checkpointOf(10));
    expect(await loadLatestCheckpoint(store, RUN)).toEqual(checkpointOf(10));
    expect(await loadLatestCheckpoint(store, 'another run')).toBeNull();
  });

  it('keeps the newest two and no stray files', async () => {
    const store = memoryShardStore();
    for (const step of [10, 20, 30, 40]) await saveCheckpoint(store, checkpointOf(step));
    expect((await listCheckpoints(store, RUN)).map(({ step }) => step)).toEqual([30, 40]);
    expect(await store.files(RUN)).toHaveLength(4);
  });

  it.each([
    ['', null],
    [', also where it takes the place of the last', 20],
  ])('survives a crash at every single change to the disk%s', async (_, inPlaceOf) => {
    const found: number[] = [];
    for (let at = 1, crashed = true; crashed; at++) {
      const disk = memoryShardStore();
      await saveCheckpoint(disk, checkpointOf(10));
      await saveCheckpoint(disk, checkpointOf(20));
      const machine = crashing(disk, at);
      await saveCheckpoint(machine.store, checkpointOf(30), { inPlaceOf }).catch(() => undefined);
      crashed = machine.crashed();
      const { step } = (await loadLatestCheckpoint(disk, RUN))!;
      expect(await loadCheckpoint(disk, RUN, step)).toEqual(checkpointOf(step));
      found.push(step);
      // The next save after the crash works and cleans up.
      await saveCheckpoint(disk, checkpointOf(40));
      expect(await loadLatestCheckpoint(disk, RUN)).toEqual(checkpointOf(40));
      expect(await disk.files(RUN)).toHaveLength(4);
    }
    // At first nothing of the new one counts, at last all of it.
    expect(found.length).toBeGreaterThan(4);
    expect(found).toEqual(found.toSorted((a, b) => a - b));
    expect(found[0]).toBe(20);
    expect(found.at(-1)).toBe(30);
  });

  it('leaves the last good checkpoint when the disk is full', async () => {
    const store = memoryShardStore({ quota: 3000 });
    await saveCheckpoint(store, checkpointOf(10));
    const error = await saveCheckpoint(store, checkpointOf(20, 500)).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'storage-full' });
    expect((error as ModelError).hint).not.toBe('');
    expect(await loadLatestCheckpoint(store, RUN)).toEqual(checkpointOf(10));
    expect(await store.files(RUN)).toHaveLength(2);
  });

  it('passes over a damaged checkpoint to the one before it', async () => {
    const store = memoryShardStore();
    await saveCheckpoint(store, checkpointOf(10));
    await saveCheckpoint(store, checkpointOf(20));
    const path = 'step-00000020.safetensors';
    const bytes = await store.read(RUN, path);
    bytes[bytes.byteLength - 3]! ^= 1;
    await store.write(RUN, path, bytes);
    await expect(loadCheckpoint(store, RUN, 20)).rejects.toMatchObject({ code: 'hash-mismatch' });
    expect(await loadLatestCheckpoint(store, RUN)).toEqual(checkpointOf(10));
  });
});
