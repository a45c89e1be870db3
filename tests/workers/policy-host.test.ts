import { describe, expect, test, vi } from 'vitest';
import { memoryShardStore } from '../../src/model/weights/shard-store.ts';
import { WrongKernelsError } from '../../src/model/runtime/webgpu/kernel-report.ts';
import { exhaustAfter, type FakeRuntime } from './fake-runtime.ts';
import {
  codeOf,
  demonstrationsFor,
  gate,
  loadedHost,
  newDevice,
  nothing,
  observationFor,
  openMadeUp,
  optionsFor,
  tinyHost,
  urlOf,
} from './tiny-host.ts';

describe('loading', () => {
  test('goes through download, upload and compile, and what is loaded predicts', async () => {
    const tiny = await tinyHost();
    const phases = new Set<string>();
    const report = await tiny.host.inspect(urlOf('first'), 'auto');
    expect(report).toMatchObject({ verdict: 'ok', package: { name: 'first', stored: false } });
    const info = await tiny.host.load(urlOf('first'), 'auto', ({ phase }) => phases.add(phase));
    expect([...phases]).toEqual(['manifest', 'shards', 'upload', 'compile']);
    expect(info).toMatchObject({ head: 'l1', chunkSize: 8, package: { stored: true }, repaired: [] });
    expect(tiny.states.map(({ kind }) => kind)).toEqual(['idle', 'loading', 'ready']);
    const prediction = await tiny.host.predict(observationFor(info));
    expect(prediction.actions).toHaveLength(8);
    expect(prediction.stages.map(({ name }) => name)).toContain('language model and head');
    expect(prediction.elapsedMs).toBe(tiny.tick);
    const seen = await tiny.host.preview(observationFor(info).images);
    expect(seen[0]).toMatchObject(info.imageSize);
    // One camera is looked through before there is another.
    const [first] = observationFor(info).images;
    expect(await tiny.host.preview([first!])).toEqual([seen[0]]);
    await tiny.host.dispose();
    expect(tiny.runtime()).toMatchObject({ live: { tensors: 0 }, programs: 0, disposed: true });
    expect(await codeOf(tiny.host.predict(observationFor(info)))).toBe('bad-input');
  });

  test('a disk without room for a small policy: it predicts all the same, and is said not to be kept', async () => {
    const device = { ...newDevice(), packages: memoryShardStore({ quota: 2000 }) };
    const { host } = await tinyHost(device);
    const info = await host.load(urlOf('first'), 'auto', nothing);
    expect(info.package).toMatchObject({ name: 'first', stored: false });
    expect((await host.predict(observationFor(info))).actions).toHaveLength(8);
    await host.dispose();
  });

  test('what was asked for is not there: no WebGPU, no such package', async () => {
    const { host } = await tinyHost();
    expect(await codeOf(host.inspect(urlOf('first'), 'webgpu'))).toBe('no-webgpu');
    expect(await codeOf(host.load(urlOf('third'), 'auto', nothing))).toBe('download-failed');
  });

  test('another policy in the middle of a run: the run saves and ends, predictions wait for nothing that is freed', async () => {
    const tiny = await loadedHost();
    const { host, info } = tiny;
    await openMadeUp(tiny, info);
    const held = gate();
    const run = host.training.start(optionsFor({ maxSteps: 1000 }), false, (event) => {
      if (event.kind === 'step' && event.point.step === 2) tiny.runtime().gate = held.promise;
    });
    await vi.waitFor(() => expect(tiny.runtime().running).toBe(1));
    const first = tiny.runtime();
    const waiting = codeOf(host.predict(observationFor(info)));
    const loading = host.load(urlOf('second'), 'auto', nothing);
    expect(await codeOf(host.predict(observationFor(info)))).toBe('busy');
    expect(await codeOf(host.training.start(optionsFor({ run: 'other' }), false, nothing))).toBe('busy');
    expect(first.disposed).toBe(false);
    held.open();
    expect((await run).phase).toBe('cancelled');
    expect(await waiting).toBe('cancelled');
    expect((await loading).package.name).toBe('second');
    expect(first).toMatchObject({ live: { tensors: 0 }, programs: 0, disposed: true });
    expect((await host.training.runs())[0]).toMatchObject({ run: 'a run', step: 3 });
    expect(await host.adapters.list()).toEqual({ adapters: [], active: null });
    expect((await host.predict(observationFor(info))).actions).toHaveLength(8);
    await host.dispose();
    expect(tiny.runtime().live.tensors).toBe(0);
  });

  test('another policy while a run is being prepared', async () => {
    const tiny = await loadedHost();
    await openMadeUp(tiny, tiny.info);
    const run = codeOf(tiny.host.training.start(optionsFor({ maxSteps: 1000 }), false, nothing));
    const loading = tiny.host.load(urlOf('second'), 'auto', nothing);
    // It may have been stopped before it began, or after no step at all.
    expect(['busy', null]).toContain(await run);
    expect((await loading).package.name).toBe('second');
    await tiny.host.dispose();
    expect(tiny.runtimes.map(({ live }) => live.tensors)).toEqual([0, 0]);
  });

  test('a load that cannot be fetched leaves the policy before it in use', async () => {
    const tiny = await loadedHost();
    for (const url of tiny.served.keys()) if (url.includes('second')) tiny.served.delete(url);
    expect(await codeOf(tiny.host.load(urlOf('second'), 'auto', nothing))).toBe('download-failed');
    expect((await tiny.host.predict(observationFor(tiny.info))).actions).toHaveLength(8);
    expect(tiny.states.at(-1)).toEqual({ kind: 'ready', run: null });
  });

  test('a cancelled load is over at once; another one can follow', async () => {
    const tiny = await tinyHost();
    const network = gate();
    tiny.online = network.promise;
    const first = codeOf(tiny.host.load(urlOf('first'), 'auto', nothing));
    await vi.waitFor(() => expect(tiny.states.at(-1)?.kind).toBe('loading'));
    const second = tiny.host.load(urlOf('second'), 'auto', nothing);
    network.open();
    expect(await first).toBe('cancelled');
    expect((await second).package.name).toBe('second');
    const third = codeOf(tiny.host.load(urlOf('first'), 'auto', nothing));
    await tiny.host.cancel('loading');
    expect(await third).toBe('cancelled');
    expect(tiny.states.at(-1)?.kind).toBe('ready');
  });
});

describe('a shape that no kernel of ours computes right', () => {
  const fault = { kernel: 'product', check: 'linear 5x36x64', problem: 'tile 32x32', replacement: null };
  const failing = (runtime: FakeRuntime) => {
    runtime.before = (work) => {
      if (work === 'compile') throw new WrongKernelsError(fault);
    };
  };

  test('is computed by onnxruntime, which the diagnosis says; nothing is fetched again', async () => {
    const tiny = await tinyHost();
    tiny.prepare = (runtime) => {
      if (!runtime.kernelReport) failing(runtime);
      // Everything is stored once a runtime is started.
      tiny.served.clear();
    };
    const info = await tiny.host.load(urlOf('first'), 'auto', nothing);
    expect(tiny.runtimes).toHaveLength(2);
    expect(tiny.runtimes[0]).toMatchObject({ live: { tensors: 0 }, programs: 0, disposed: true });
    expect(info.backend.gpu).toMatchObject({ executor: 'onnxruntime', check: { faults: [fault] } });
    expect((await tiny.host.predict(observationFor(info))).actions).toHaveLength(8);
  });

  test('ends the load where onnxruntime fails as well', async () => {
    const tiny = await tinyHost();
    tiny.prepare = failing;
    expect(await codeOf(tiny.host.load(urlOf('first'), 'auto', nothing))).toBe('unsupported');
    expect(tiny.runtimes.map(({ disposed }) => disposed)).toEqual([true, true]);
    expect(tiny.states.at(-1)?.kind).toBe('idle');
  });
});

describe('when memory runs out', () => {
  test('at any point of a load, everything is freed and the next load succeeds', async () => {
    const tiny = await tinyHost();
    let failures = 0;
    for (let count = 0, done = false; !done; count += 7) {
      let failed!: () => boolean;
      tiny.prepare = (runtime) => ({ failed } = exhaustAfter(runtime, count));
      const code = await codeOf(tiny.host.load(urlOf('first'), 'auto', nothing));
      done = !failed();
      if (done) break;
      failures++;
      expect(code).toBe('out-of-memory');
      expect(tiny.runtime()).toMatchObject({ live: { tensors: 0 }, programs: 0, disposed: true });
      expect(tiny.states.at(-1)?.kind).toBe('idle');
    }
    expect(failures).toBeGreaterThan(10);
  });

  test.each(['siglip-only-l1', 'libero-diffusion'] as const)(
    'at any point of a prediction, nothing is left behind, and the next one succeeds: %s',
    async (of) => {
      const tiny = await loadedHost(newDevice(), { of });
      const { host, info } = tiny;
      const runtime = tiny.runtime();
      await host.predict(observationFor(info));
      const before = runtime.live.tensors;
      let failures = 0;
      for (let count = 0; ; count += of === 'libero-diffusion' ? 29 : 1) {
        // Another prompt each time, so that rotary tables and programs are made anew, too.
        const observation = { ...observationFor(info), instruction: 'x'.repeat(count) };
        const { failed } = exhaustAfter(runtime, count);
        const code = await codeOf(host.predict(observation));
        if (!failed()) break;
        failures++;
        expect(code).toBe('out-of-memory');
        runtime.before = nothing;
        await host.predict(observation);
        // At most the rotary tables of three prompt lengths are kept.
        expect(runtime.live.tensors - before).toBeLessThanOrEqual(6);
      }
      expect(failures).toBeGreaterThan(5);
      await host.dispose();
      expect(runtime).toMatchObject({ live: { tensors: 0 }, programs: 0 });
    },
  );

  test('at any point of a run, the run fails, its checkpoints stay, and the policy is as it was', async () => {
    const tiny = await loadedHost();
    const { host, info } = tiny;
    const runtime = tiny.runtime();
    await openMadeUp(tiny, info);
    const before = await host.predict(observationFor(info));
    let failures = 0;
    for (let count = 0; ; count += 5) {
      const { failed } = exhaustAfter(runtime, count);
      const options = optionsFor({ run: `run ${count}`, maxSteps: 1 });
      const code = await codeOf(host.training.start(options, false, nothing));
      runtime.before = nothing;
      if (!failed()) break;
      failures++;
      expect(code).toBe('out-of-memory');
      expect(tiny.states.at(-1)).toEqual({ kind: 'ready', run: null });
      expect((await host.predict(observationFor(info))).actions).toEqual(before.actions);
    }
    expect(failures).toBeGreaterThan(10);
    await host.dispose();
    expect(runtime).toMatchObject({ live: { tensors: 0 }, programs: 0 });
  });

  test('while an adapter is laid over the policy, the one before stays in use', async () => {
    const tiny = await loadedHost();
    const { host, info } = tiny;
    await openMadeUp(tiny, info);
    await host.training.start(optionsFor({ run: 'one', maxSteps: 1 }), false, nothing);
    await host.training.start(optionsFor({ run: 'two', maxSteps: 1, seed: 8 }), false, nothing);
    const { adapters, active } = await host.adapters.list();
    const other = adapters.find(({ id }) => id !== active)!;
    const { tensors } = tiny.runtime().live;
    exhaustAfter(tiny.runtime(), 3);
    expect(await codeOf(host.adapters.use(other.id))).toBe('out-of-memory');
    tiny.runtime().before = nothing;
    expect(tiny.runtime().live.tensors).toBe(tensors);
    expect((await host.adapters.list()).active).toBe(active);
    await host.predict(observationFor(info));
  });
});

test('a prediction is cancelled between two stages, and frees what it made', async () => {
  const tiny = await loadedHost();
  const { host, info } = tiny;
  await host.predict(observationFor(info));
  const { tensors } = tiny.runtime().live;
  const held = gate();
  tiny.runtime().gate = held.promise;
  const running = codeOf(host.predict(observationFor(info)));
  const queued = codeOf(host.predict(observationFor(info)));
  await vi.waitFor(() => expect(tiny.runtime().running).toBe(1));
  await host.cancel('predicting');
  held.open();
  expect(await running).toBe('cancelled');
  expect(await queued).toBe('cancelled');
  expect(tiny.runtime().live.tensors).toBe(tensors);
  tiny.runtime().gate = null;
  await host.predict(observationFor(info));
});

test('frames are closed however a call ends', async () => {
  const tiny = await tinyHost();
  const close = vi.fn<() => void>();
  const frame = { close, width: 1, height: 1 } as unknown as ImageBitmap;
  expect(await codeOf(tiny.host.preview([frame]))).toBe('bad-input');
  const observation = { images: [frame], instruction: 'x', state: null, unnormKey: 'x' };
  expect(await codeOf(tiny.host.predict(observation))).toBe('bad-input');
  expect(close).toHaveBeenCalledTimes(2);
});

test('a lost GPU explains every failure until the policy is loaded again', async () => {
  const tiny = await loadedHost();
  const { host, info } = tiny;
  tiny.loseGpu();
  expect(await codeOf(host.predict(observationFor(info)))).toBe('device-lost');
  await host.load(urlOf('first'), 'auto', nothing);
  const held = gate();
  tiny.runtime().gate = held.promise;
  const running = codeOf(host.predict(observationFor(info)));
  await vi.waitFor(() => expect(tiny.runtime().running).toBe(1));
  tiny.loseGpu();
  tiny.runtime().before = () => {
    throw new Error('some message of the driver');
  };
  held.open();
  expect(await running).toBe('device-lost');
});

test('packages on this device are listed, checked, kept from a folder and removed', async () => {
  const device = newDevice();
  const tiny = await loadedHost(device);
  const { packages } = tiny.host;
  const [stored] = await packages.list();
  expect(stored).toMatchObject({ name: 'first', url: urlOf('first'), complete: true });
  expect(await packages.check(stored!.key, nothing)).toEqual([]);
  const [shard] = (await device.packages.files(stored!.key)).filter((path) => path.endsWith('.bin'));
  await device.packages.write(stored!.key, shard!, new Uint8Array(8));
  expect(await packages.check(stored!.key, nothing)).toEqual([shard]);
  const folder = [...tiny.served].flatMap(([url, bytes]) => {
    const path = url.split('/second/')[1];
    return path === undefined ? [] : [{ path: `mine/${path}`, file: new File([bytes], path) }];
  });
  const url = await packages.storeFolder(folder, nothing);
  expect((await tiny.host.load(url, 'auto', nothing)).package.name).toBe('second');
  await packages.remove(stored!.key);
  await packages.removeUrl(url);
  expect(await packages.list()).toEqual([]);
});

test('demonstrations belong to the policy they were opened for', async () => {
  const tiny = await loadedHost();
  const { host, info } = tiny;
  await openMadeUp(tiny, info);
  await host.load(urlOf('second'), 'auto', nothing);
  expect(await codeOf(host.demonstrations.episode(0))).toBe('bad-input');
  // Opened for the one, and the other came while they were measured.
  const recorded = demonstrationsFor(info);
  const opening = codeOf(host.demonstrations.open({ kind: 'recorded', recorded }, nothing));
  await host.load(urlOf('first'), 'auto', nothing);
  expect(['cancelled', 'busy']).toContain(await opening);
});
