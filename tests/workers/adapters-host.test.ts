import { describe, expect, test } from 'vitest';
import type { TrainedState } from '../../src/model/finetune/trained.ts';
import type { AdapterOrigin } from '../../src/workers/boundary/contract-adapters.ts';
import { adapterId } from '../../src/workers/policy/adapter-id.ts';
import { AdapterShelf } from '../../src/workers/policy/adapter-shelf.ts';
import {
  codeOf,
  loadedHost,
  newDevice,
  nothing,
  observationFor,
  openMadeUp,
  optionsFor,
  urlOf,
} from './tiny-host.ts';

async function trained(device = newDevice()) {
  const tiny = await loadedHost(device);
  await openMadeUp(tiny, tiny.info);
  await tiny.host.training.start(optionsFor({ maxSteps: 2 }), false, nothing);
  const { adapters } = await tiny.host.adapters.list();
  return { ...tiny, adapter: adapters[0]! };
}

describe('adapters', () => {
  test('are laid over the policy and taken off again, and free what they held', async () => {
    const { host, runtime, info, adapter } = await trained();
    expect((await host.adapters.list()).active).toBe(adapter.id);
    const over = runtime().live.tensors;
    await host.adapters.use(null);
    expect((await host.adapters.list()).active).toBeNull();
    expect(runtime().live.tensors).toBeLessThan(over);
    await host.predict(observationFor(info));
    await host.adapters.use(adapter.id);
    await host.predict(observationFor(info));
    expect(await codeOf(host.adapters.use('no such adapter'))).toBe('bad-input');
    expect((await host.adapters.list()).active).toBe(adapter.id);
  });

  test('of one label are told apart, and one read again is known to be the same', async () => {
    const { host, adapter } = await trained();
    const { adapters } = host;
    const { file, sha256 } = await adapters.file(adapter.id);
    expect(sha256).toMatch(/^[0-9a-f]{64}$/);
    const one = await adapters.openFile(file, 'shared');
    const again = await adapters.openFile(file, 'shared');
    expect(again).toEqual(one);
    // Somebody else's of the same label and step.
    await host.training.start(optionsFor({ run: 'another', maxSteps: 2, seed: 8 }), false, nothing);
    const theirs = (await adapters.list()).active!;
    const two = await adapters.openFile((await adapters.file(theirs)).file, 'shared');
    expect([two.label, two.step]).toEqual([one.label, one.step]);
    expect(new Set([adapter.id, one.id, theirs, two.id]).size).toBe(4);
    // The checkpoint of the newest step is the adapter that the run left.
    expect((await adapters.openRun('a run', null)).id).toBe(adapter.id);
    expect((await adapters.list()).adapters).toHaveLength(4);
  });

  test('go out as a zip and come in as a zip or a folder', async () => {
    const { host, adapter } = await trained();
    const { adapters } = host;
    const zip = await adapters.exportZip(adapter.id, 'checkpoint', nothing);
    expect((await adapters.exportZip(adapter.id, 'merged', nothing)).size).toBeGreaterThan(zip.size);
    const file = new File([zip], 'exported.zip');
    const imported = await adapters.importFolder({ kind: 'zip', file });
    expect(imported).toMatchObject({ step: 2, origin: { kind: 'imported' } });
    expect(imported.label).toContain('(imported)');
    const stray = [{ path: 'folder/readme.txt', file: new File(['text'], 'readme.txt') }];
    expect(await codeOf(adapters.importFolder({ kind: 'files', files: stray }))).toBe('bad-file');
    expect(await codeOf(adapters.openFile(new Blob(['nothing']), 'x'))).toBe('bad-file');
    expect((await adapters.list()).adapters).toHaveLength(2);
  });

  test('belong to the policy they were opened for', async () => {
    const { host, runtimes, adapter } = await trained();
    const opening = codeOf(host.adapters.openRun('a run', 1));
    const loading = host.load(urlOf('second'), 'auto', nothing);
    expect(['cancelled', null]).toContain(await opening);
    await loading;
    expect(await host.adapters.list()).toEqual({ adapters: [], active: null });
    expect(await codeOf(host.adapters.use(adapter.id))).toBe('bad-input');
    expect(runtimes[0]!.live.tensors).toBe(0);
  });

  test('stay usable when their run is deleted', async () => {
    const { host, info, adapter } = await trained();
    await host.training.removeRun('a run');
    expect(await codeOf(host.adapters.openRun('a run', null))).toBe('bad-file');
    await host.adapters.use(null);
    await host.adapters.use(adapter.id);
    expect((await host.predict(observationFor(info))).unnormKey).toBe('made_up');
  });
});

/** 400 bytes each. */
const stateOf = (seed: number): TrainedState => ({
  run: 'run',
  step: seed,
  own: null,
  lora: null,
  adapters: new Map([
    [
      'layer',
      {
        a: { shape: [2, 10], data: new Float32Array(20).fill(seed) },
        b: { shape: [3, 10], data: new Float32Array(30) },
      },
    ],
  ]),
  modules: new Map([['head', { shape: [50], data: new Float32Array(50) }]]),
  statistics: {},
});

/** As a host adds one, with its id. */
async function add(
  shelf: AdapterShelf,
  state: TrainedState,
  label: string,
  origin: AdapterOrigin,
  read: (() => Promise<TrainedState>) | null,
  inUse: string | null,
) {
  return shelf.put(await adapterId(state, label), state, { label, origin, read }, inUse);
}

describe('a shelf', () => {
  test('keeps no more in memory than it may, and reads the rest again', async () => {
    const shelf = new AdapterShelf(1000);
    const read: number[] = [];
    const ids: string[] = [];
    for (let step = 1; step <= 20; step++) {
      const again = async () => {
        read.push(step);
        return stateOf(step);
      };
      const origin = { kind: 'imported' } as const;
      const { id } = await add(shelf, stateOf(step), 'label', origin, again, ids[0] ?? null);
      ids.push(id);
      expect(shelf.byteLength).toBeLessThanOrEqual(1000);
    }
    expect(shelf.list()).toHaveLength(20);
    // The one in use is still here.
    expect((await shelf.state(ids[0]!)).step).toBe(1);
    expect(read).toEqual([]);
    expect((await shelf.state(ids[5]!)).step).toBe(6);
    expect((await shelf.state(ids[5]!)).step).toBe(6);
    expect(read).toEqual([6]);
    expect(shelf.byteLength).toBeLessThanOrEqual(1000);
  });

  test('says so when something cannot be read again, or is not what it was', async () => {
    const shelf = new AdapterShelf(500);
    const origin = { kind: 'imported' } as const;
    const gone = await add(shelf, stateOf(1), 'gone', origin, () => Promise.reject(new Error('moved')), null);
    const changed = await add(shelf, stateOf(2), 'changed', origin, async () => stateOf(3), null);
    await add(shelf, stateOf(4), 'newest', origin, async () => stateOf(4), null);
    await expect(shelf.state(gone.id)).rejects.toMatchObject({
      code: 'bad-file',
      message: expect.stringContaining('"gone at step 1" is not in memory any more'),
    });
    expect(await codeOf(shelf.state(changed.id))).toBe('hash-mismatch');
    expect(shelf.info(changed.id).label).toBe('changed');
  });

  test('lets go of what cannot be read again only when its memory is needed', async () => {
    const shelf = new AdapterShelf(1000);
    const origin = { kind: 'run', run: 'run' } as const;
    const read = async () => stateOf(1);
    const first = await add(shelf, stateOf(1), 'first', origin, read, null);
    const second = await add(shelf, stateOf(2), 'second', origin, null, null);
    const third = await add(shelf, stateOf(3), 'third', { kind: 'imported' }, async () => stateOf(3), null);
    // The first is not in memory any more, and its run is deleted.
    shelf.forgetRun('run');
    shelf.forgetRun('another run');
    expect(shelf.list().map(({ label }) => label)).toEqual(['second', 'third']);
    expect(await codeOf(shelf.state(first.id))).toBe('bad-input');
    expect((await shelf.state(second.id)).step).toBe(2);
    await shelf.state(third.id);
    await add(shelf, stateOf(5), 'newest', { kind: 'imported' }, async () => stateOf(5), third.id);
    expect(shelf.list().map(({ label }) => label)).toEqual(['third', 'newest']);
    shelf.clear();
    await expect(shelf.state(third.id)).rejects.toThrow('None is open');
  });

  test('an id follows from content and label alone', async () => {
    const id = await adapterId(stateOf(1), 'a');
    expect(await adapterId({ ...stateOf(1), statistics: {} }, 'a')).toBe(id);
    expect(await adapterId(stateOf(1), 'b')).not.toBe(id);
    expect(await adapterId({ ...stateOf(1), step: 2 }, 'a')).not.toBe(id);
    const changed = stateOf(1);
    changed.modules.get('head')!.data[49] = 1e-7;
    expect(await adapterId(changed, 'a')).not.toBe(id);
    const [one, two] = [
      { x: 1, y: [{ a: 1, b: null }] },
      { y: [{ b: null, a: 1 }], x: 1 },
    ];
    expect(await adapterId({ ...stateOf(1), statistics: one }, 'a')).toBe(
      await adapterId({ ...stateOf(1), statistics: two }, 'a'),
    );
  });
});
