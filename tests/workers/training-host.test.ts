import { readFile } from 'node:fs/promises';
import { describe, expect, test, vi } from 'vitest';
import { ModelError } from '../../src/base/errors.ts';
import { createNodeRuntime } from '../../src/model/runtime/node.ts';
import type { Runtime } from '../../src/model/runtime/runtime.ts';
import type { FineTuneEvent, FineTuneProgress } from '../../src/workers/boundary/contract-finetune.ts';
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
  type TinyHost,
} from './tiny-host.ts';

async function ready(...args: Parameters<typeof loadedHost>) {
  const tiny = await loadedHost(...args);
  await openMadeUp(tiny, tiny.info);
  return tiny;
}

/** Holds a run at its second step, with the policy in hand. */
async function heldRun(tiny: TinyHost, change: Parameters<typeof optionsFor>[0] = {}) {
  const held = gate();
  const events: FineTuneEvent[] = [];
  const run = tiny.host.training.start(optionsFor({ maxSteps: 1000, ...change }), false, (event) => {
    events.push(event);
    if (event.kind === 'step' && event.point.step === 1) tiny.runtime().gate = held.promise;
  });
  run.catch(nothing);
  await vi.waitFor(() => expect(tiny.runtime().running).toBe(1));
  const release = (): void => {
    tiny.runtime().gate = null;
    held.open();
  };
  return { run, events, release };
}

describe('a run', () => {
  test('trains, validates, saves, tells of it all, and what it trained is in use', async () => {
    const tiny = await ready();
    const events: FineTuneEvent[] = [];
    const options = optionsFor({ valFreq: 2, valSamples: 2, validationFraction: 0.4 });
    const end = await tiny.host.training.start(options, false, (event) => events.push(event));
    expect(end).toMatchObject({ phase: 'done', step: 3, savedStep: 3, error: null, secondsLeft: 0 });
    expect(end.memoryBytes).toBeGreaterThan(0);
    // One look at the clock a step: as many samples a second as the clock says.
    expect(end.samplesPerSecond).toBe(1000 / tiny.tick);
    const phases = events.flatMap((event) => (event.kind === 'progress' ? [event.progress.phase] : []));
    expect(new Set(phases)).toEqual(new Set(['preparing', 'training', 'validating', 'saving', 'done']));
    expect(events.filter(({ kind }) => kind === 'step')).toHaveLength(3);
    expect(events.filter(({ kind }) => kind === 'validation')).toHaveLength(2);
    expect(tiny.states.at(-1)).toEqual({ kind: 'ready', run: null });
    const { adapters, active } = await tiny.host.adapters.list();
    expect(adapters).toMatchObject([
      { id: active, label: 'a run', step: 3, origin: { kind: 'run', run: 'a run' } },
    ]);
    // With its own statistics.
    expect((await tiny.host.predict(observationFor(tiny.info))).unnormKey).toBe('made_up');
  });

  test('a step is timed without anything that is open, kept or in use being another afterwards', async () => {
    const tiny = await ready();
    const { training, adapters, demonstrations } = tiny.host;
    await training.start(optionsFor({ maxSteps: 1 }), false, nothing);
    const observation = observationFor(tiny.info);
    const now = async () => ({
      actions: (await tiny.host.predict(observation)).actions,
      adapters: await adapters.list(),
      runs: await training.runs(),
    });
    const before = await now();
    const live = tiny.runtime().live.byteLength;
    const other = { ...demonstrationsFor(tiny.info, 1), name: 'another' };
    // Three steps are timed, from one look at the clock to the next.
    expect(await training.stepTime(optionsFor({ run: 'timed' }), other)).toBe(tiny.tick / 1000 / 3);
    expect(tiny.runtime().live.byteLength).toBe(live);
    expect(await now()).toEqual(before);
    expect(demonstrations.opened?.info.name).not.toBe('another');
    expect(tiny.states.at(-1)).toEqual({ kind: 'ready', run: null });
    const { run, release } = await heldRun(tiny, { run: 'goes on' });
    expect(await codeOf(training.stepTime(optionsFor(), other))).toBe('busy');
    release();
    await tiny.host.cancel('training');
    await run;
  });

  test('holds its own head in place of the base’s, which is there again however it ends', async () => {
    const tiny = await ready();
    const { host, info } = tiny;
    const runtime = tiny.runtime();
    const base = (await host.predict(observationFor(info))).actions;
    const uploaded: string[] = [];
    const uploadWeight = runtime.uploadWeight.bind(runtime);
    runtime.uploadWeight = (weight) => {
      uploaded.push(weight.name);
      return uploadWeight(weight);
    };
    const { run, release } = await heldRun(tiny);
    release();
    await host.cancel('training');
    await run;
    expect(uploaded).toContain('action_head.model.fc1.weight');
    await host.adapters.use(null);
    expect((await host.predict(observationFor(info))).actions).toEqual(base);
    const live = runtime.live.byteLength;

    // There is no room for it when the second run fails; the next prediction tries once more.
    runtime.before = (work) => {
      if (work === 'compile') throw new ModelError('out-of-memory', 'No room.');
    };
    runtime.uploadWeight = () => {
      throw new ModelError('out-of-memory', 'No room.');
    };
    expect(await codeOf(host.training.start(optionsFor({ run: 'fails', lora: null }), false, nothing))).toBe(
      'out-of-memory',
    );
    runtime.before = () => undefined;
    expect(await codeOf(host.predict(observationFor(info)))).toBe('out-of-memory');
    runtime.uploadWeight = uploadWeight;
    expect((await host.predict(observationFor(info))).actions).toEqual(base);
    expect(runtime.live.byteLength).toBe(live);
  });

  test('needs demonstrations that fit, and a name of its own', async () => {
    const tiny = await loadedHost();
    const { training } = tiny.host;
    expect(await codeOf(training.start(optionsFor(), false, nothing))).toBe('bad-input');
    await openMadeUp(tiny, tiny.info);
    await training.start(optionsFor({ maxSteps: 1 }), false, nothing);
    await expect(training.start(optionsFor(), false, nothing)).rejects.toMatchObject({
      code: 'bad-input',
      message: expect.stringContaining('already a run "a run"'),
    });
    await tiny.host.demonstrations.edit({ 0: { deleted: true }, 1: { deleted: true }, 2: { deleted: true } });
    await expect(training.start(optionsFor({ run: 'none' }), false, nothing)).rejects.toMatchObject({
      code: 'bad-input',
      message: expect.stringContaining('do not fit'),
    });
  });

  test('does not swap the adapter under a prediction that is on its way', async () => {
    const tiny = await ready();
    const { host, info } = tiny;
    const runtime = tiny.runtime();
    const held = gate();
    let predicting!: ReturnType<typeof host.predict>;
    const from = runtime.ran.length;
    // Just before the run lays its parameters over the policy.
    const run = host.training.start(optionsFor({ maxSteps: 1 }), false, (event) => {
      if (event.kind !== 'progress' || event.progress.phase !== 'preparing') return;
      runtime.gate = held.promise;
      predicting = host.predict(observationFor(info));
    });
    await vi.waitFor(() => expect(runtime.running).toBe(1));
    // Time enough for the rest of the preparation.
    await new Promise((resolve) => setTimeout(resolve, 50));
    runtime.gate = null;
    held.open();
    expect((await predicting).unnormKey).toBe(info.defaultUnnormKey);
    const predicted = runtime.ran.slice(from);
    await run;
    // Vision and language: both of the policy as it was loaded.
    expect(predicted.slice(0, 2).map(({ trained }) => trained)).toEqual([false, false]);
    expect(runtime.ran.some(({ trained }) => trained)).toBe(true);
    expect((await host.predict(observationFor(info))).unnormKey).toBe('made_up');
  });

  test('answers predictions between its steps; adapters, demonstrations and other runs have to wait', async () => {
    const tiny = await ready();
    const { host, info } = tiny;
    await host.training.start(optionsFor({ run: 'before', maxSteps: 1 }), false, nothing);
    const { active } = await host.adapters.list();
    const { run, events, release } = await heldRun(tiny);
    expect(tiny.states.at(-1)).toEqual({ kind: 'training', run: 'a run' });
    const predicting = host.predict(observationFor(info));
    expect(await codeOf(host.adapters.use(null))).toBe('busy');
    expect(await codeOf(host.demonstrations.close())).toBe('busy');
    expect(await codeOf(host.demonstrations.edit({ 0: { deleted: true } }))).toBe('busy');
    expect(await codeOf(openMadeUp(tiny, info))).toBe('busy');
    expect(await codeOf(host.training.start(optionsFor({ run: 'other' }), false, nothing))).toBe('busy');
    expect(await codeOf(host.training.removeRun('a run'))).toBe('busy');
    const estimating = host.training.estimate(optionsFor({ run: 'other' }));
    const checking = host.demonstrations.check(0, 0);
    release();
    expect((await predicting).unnormKey).toBe('made_up');
    expect((await estimating).secondsPerStep).toBeNull();
    expect((await checking).l1).toBeGreaterThan(0);
    await host.cancel('training');
    expect((await run).phase).toBe('cancelled');
    expect(events.some((event) => event.kind === 'progress' && event.progress.phase === 'saving')).toBe(true);
    expect((await host.adapters.list()).active).not.toBe(active);
  });

  test('waits while it is paused, and goes on', async () => {
    const tiny = await ready();
    const { training } = tiny.host;
    await training.pause();
    await training.continue();
    const progress: FineTuneProgress[] = [];
    const run = training.start(optionsFor({ maxSteps: 5 }), false, (event) => {
      if (event.kind === 'progress') progress.push(event.progress);
      if (event.kind === 'step' && event.point.step === 2) void training.pause();
    });
    // Also where the machine is busy with much else.
    await vi.waitFor(() => expect(progress.at(-1)?.phase).toBe('paused'), { timeout: 30_000 });
    await training.pause();
    expect(progress.at(-1)).toMatchObject({ step: 2, savedStep: 2 });
    await tiny.host.predict(observationFor(tiny.info));
    await training.continue();
    expect((await run).phase).toBe('done');
  });

  test('is saved at its first step, and when the page may be about to close', async () => {
    const tiny = await ready();
    const { training } = tiny.host;
    const saved: (number | null)[] = [];
    await training.start(optionsFor({ maxSteps: 6, saveFreq: 100 }), false, (event) => {
      if (event.kind === 'progress') saved.push(event.progress.savedStep);
      if (event.kind === 'step' && event.point.step === 3) void training.save();
    });
    expect([...new Set(saved)]).toEqual([null, 1, 3, 6]);
  });

  test('that is stopped while it is prepared ends before its first step', async () => {
    const tiny = await ready();
    const run = tiny.host.training.start(optionsFor({ maxSteps: 1000 }), false, (event) => {
      if (event.kind === 'progress' && event.progress.phase === 'preparing')
        void tiny.host.cancel('training');
    });
    expect(await run).toMatchObject({ phase: 'cancelled', step: 0 });
    expect(await tiny.host.adapters.list()).toEqual({ adapters: [], active: null });
  });

  test('that diverges fails, leaves its checkpoints, and the policy as it was before', async () => {
    const tiny = await ready();
    const { host, info } = tiny;
    const run = host.training.start(optionsFor({ maxSteps: 10 }), false, (event) => {
      if (event.kind === 'step' && event.point.step === 2) tiny.runtime().value = Number.NaN;
    });
    expect(await codeOf(run)).toBe('diverged');
    tiny.runtime().value = 0.01;
    expect((await host.adapters.list()).active).toBeNull();
    expect((await host.training.runs())[0]).toMatchObject({ step: 2, checkpoints: [1, 2] });
    expect((await host.predict(observationFor(info))).unnormKey).toBe(info.defaultUnnormKey);
  });

  test('on a GPU that is lost fails with that, and lets go of everything', async () => {
    const tiny = await ready();
    const { host } = tiny;
    const run = host.training.start(optionsFor({ maxSteps: 10 }), false, (event) => {
      if (event.kind === 'step' && event.point.step === 2) tiny.loseGpu();
    });
    expect(await codeOf(run)).toBe('device-lost');
    expect(tiny.states.at(-1)).toEqual({ kind: 'ready', run: null });
    await host.dispose();
    expect(tiny.runtime()).toMatchObject({ live: { tensors: 0 }, programs: 0 });
  });

  test('goes on when there is no room for a checkpoint, and says so', async () => {
    const tiny = await ready(newDevice(1));
    const errors: string[] = [];
    const end = await tiny.host.training.start(optionsFor(), false, (event) => {
      if (event.kind === 'progress' && event.progress.error) errors.push(event.progress.error.code);
    });
    expect(end).toMatchObject({ phase: 'done', step: 3, savedStep: null });
    expect(errors).toContain('storage-full');
    expect((await tiny.host.adapters.list()).adapters).toHaveLength(1);
  });

  test('is resumed where it stopped: on its demonstrations and its policy only', async () => {
    const device = newDevice();
    const tiny = await ready(device);
    const stopped = tiny.host.training.start(optionsFor({ maxSteps: 6 }), false, (event) => {
      if (event.kind === 'step' && event.point.step === 3) void tiny.host.cancel('training');
    });
    expect(await stopped).toMatchObject({ phase: 'cancelled', step: 3 });
    const [stored] = await tiny.host.training.runs();
    expect(stored).toMatchObject({
      run: 'a run',
      step: 3,
      maxSteps: 6,
      demonstrations: { name: 'made up', instructions: expect.arrayContaining([expect.any(String)]) },
    });

    const later = await loadedHost(device);
    const resume = (events: FineTuneEvent[] = [], run = 'a run') =>
      later.host.training.start({ ...stored!.options, run }, true, (event) => events.push(event));
    await openMadeUp(later, later.info, 2);
    expect(await codeOf(resume())).toBe('bad-input');
    await openMadeUp(later, later.info);
    expect(await codeOf(resume([], 'no such run'))).toBe('bad-file');
    const events: FineTuneEvent[] = [];
    expect(await resume(events)).toMatchObject({ phase: 'done', step: 6 });
    const history = events.find(({ kind }) => kind === 'history');
    expect(history).toMatchObject({ steps: [{ step: 1 }, { step: 2 }, { step: 3 }] });

    await later.host.load('https://models.test/second/manifest.json', 'auto', nothing);
    await openMadeUp(later, later.info);
    // Both packages have other manifests, and so other hashes.
    await expect(resume()).rejects.toThrow('another policy');
  });

  test('remembers how its demonstrations were read, and is resumed on that reading only', async () => {
    const path = 'tests/episodes/fixtures/hdf5-libero/pick_up_the_black_bowl_demo.hdf5';
    const files = [{ path: 'bowl_demo.hdf5', file: new File([await readFile(path)], 'bowl_demo.hdf5') }];
    const mapping = { action: 'actions', state: ['ee_states', 'gripper_states'], cameras: ['agentview_rgb'] };
    const options = { mapping, standardise: true, turned: 180 } as const;
    const { host } = await loadedHost();
    const { robot } = await host.demonstrations.open({ kind: 'files', files, options }, nothing);
    const training = optionsFor({ maxSteps: 2, robot: robot.choice });
    const stopped = host.training.start(training, false, (event) => {
      if (event.kind === 'step') void host.cancel('training');
    });
    expect(await stopped).toMatchObject({ phase: 'cancelled', step: 1 });
    const [stored] = await host.training.runs();
    expect(stored!.demonstrations.reading).toEqual(options);
    // The numbers are the same, and so is the fingerprint; the pictures are not.
    await host.demonstrations.open({ kind: 'files', files, options: { ...options, turned: 0 } }, nothing);
    await expect(host.training.start(stored!.options, true, nothing)).rejects.toThrow(
      'pictures turned by 180°. Now',
    );
    const reading = stored!.demonstrations.reading!;
    await host.demonstrations.open({ kind: 'files', files, options: reading }, nothing);
    expect(await host.training.start(stored!.options, true, nothing)).toMatchObject({ step: 2 });
  });

  test('starts from an adapter, with what that was normalised by; its record says so in words', async () => {
    const tiny = await ready();
    const { host } = tiny;
    await host.training.start(optionsFor({ run: 'first', maxSteps: 1 }), false, nothing);
    const { active } = await host.adapters.list();
    const options = optionsFor({ run: 'second', startFrom: active, statistics: 'policy', maxSteps: 1 });
    expect((await host.training.estimate(options)).refusal).toBeNull();
    await host.training.start(options, false, nothing);
    const second = (await host.training.runs()).find(({ run }) => run === 'second')!;
    expect(second.options.startFrom).toBe('first at step 1');
    expect(await codeOf(host.training.estimate({ ...options, startFrom: 'gone' }))).toBe('bad-input');
    expect(
      await codeOf(host.training.start({ ...options, run: 'third', startFrom: 'gone' }, false, nothing)),
    ).toBe('bad-input');
    expect(tiny.states.at(-1)).toEqual({ kind: 'ready', run: null });
  });

  test('takes in the edit made a moment before it starts', async () => {
    const tiny = await ready();
    const editing = tiny.host.demonstrations.edit({ 1: { deleted: true } });
    await tiny.host.training.start(optionsFor({ maxSteps: 1 }), false, nothing);
    const info = await editing;
    expect(info.episodes).toHaveLength(2);
    expect((await tiny.host.training.runs())[0]!.demonstrations).toMatchObject({
      episodes: 2,
      fingerprint: info.fingerprint,
    });
  });
});

test('with a real runtime, predictions between steps change nothing of what is learned, to the bit', async () => {
  const runtimes: Runtime[] = [];
  const real = async () => {
    const runtime = await createNodeRuntime({ threads: 1 });
    runtimes.push(runtime);
    return runtime;
  };
  const ends: { losses: number[]; active: string | null; tensors: number }[] = [];
  for (const predicts of [false, true]) {
    const { host, info, ...tiny } = await loadedHost(newDevice(), { real });
    await openMadeUp({ host, ...tiny }, info);
    const losses: number[] = [];
    const predictions: Promise<unknown>[] = [];
    await host.training.start(optionsFor({ imageAug: true }), false, (event) => {
      if (event.kind !== 'step') return;
      losses.push(event.point.loss);
      if (predicts) predictions.push(host.predict(observationFor(info)));
    });
    await Promise.all(predictions);
    expect(predictions).toHaveLength(predicts ? 3 : 0);
    const { active } = await host.adapters.list();
    await host.dispose();
    ends.push({ losses, active, tensors: runtimes.at(-1)!.live.tensors });
  }
  expect(ends[0]!.losses[2]).not.toBe(ends[0]!.losses[0]);
  // An adapter's id follows from every number it holds.
  expect(ends[1]).toEqual(ends[0]);
  expect(ends[0]!.tensors).toBe(0);
});

describe('two tabs', () => {
  test('of one name: the second is told so, and the first loses nothing', async () => {
    const device = newDevice();
    const [first, second] = [await ready(device), await ready(device)];
    const { run, release } = await heldRun(first);
    await expect(second.host.training.start(optionsFor(), false, nothing)).rejects.toMatchObject({
      code: 'busy',
      message: 'The run "a run" is being trained in another tab.',
      hint: 'Choose another name for this run, or stop the other one first.',
    });
    expect(await codeOf(second.host.training.start(optionsFor(), true, nothing))).toBe('busy');
    expect(await codeOf(second.host.training.removeRun('a run'))).toBe('busy');
    expect(second.states.at(-1)).toEqual({ kind: 'ready', run: null });
    // Under another name both train at once.
    await second.host.training.start(optionsFor({ run: 'another', maxSteps: 2 }), false, nothing);
    release();
    await first.host.cancel('training');
    const { step } = await run;
    const runs = await second.host.training.runs();
    expect(runs.map((info) => [info.run, info.step])).toEqual([
      ['a run', step],
      ['another', 2],
    ]);
    // Once it has ended the name is taken, but the run may be resumed or deleted here.
    expect(await codeOf(second.host.training.start(optionsFor(), false, nothing))).toBe('bad-input');
    await second.host.training.removeRun('a run');
    expect(await second.host.training.runs()).toHaveLength(1);
  });

  test('a tab that has just been closed is waited for', async () => {
    const device = newDevice();
    const first = await ready(device);
    const second = await ready(device, { patienceMs: 5000 });
    const { run, release } = await heldRun(first);
    const waiting = second.host.training.start(optionsFor(), true, nothing);
    release();
    await first.host.cancel('training');
    await run;
    await second.host.cancel('training');
    expect((await waiting).phase).toBe('cancelled');
  });

  test('what fails in a run is not taken for another tab', async () => {
    const tiny = await ready(newDevice(), { patienceMs: 0 });
    const end = await tiny.host.training.start(optionsFor({ maxSteps: 1 }), false, nothing);
    expect(end.phase).toBe('done');
    expect(await codeOf(tiny.host.training.start(optionsFor({ run: '', maxSteps: 1 }), true, nothing))).toBe(
      'bad-file',
    );
  });
});

describe('an estimate', () => {
  test('counts, and times a pass once per policy with the clock there is', async () => {
    const tiny = await loadedHost();
    const { training } = tiny.host;
    const untimed = await training.estimate(optionsFor());
    expect(untimed).toMatchObject({ secondsPerStep: null, refusal: null, available: 8 * 2 ** 30 });
    expect(untimed.groups.map(({ name }) => name)).toContain('lora');
    await openMadeUp(tiny, tiny.info);
    const timed = await training.estimate(optionsFor());
    expect(timed.secondsPerStep).toBeGreaterThan(0);
    tiny.tick = 1000;
    expect((await training.estimate(optionsFor())).secondsPerStep).toBe(timed.secondsPerStep);
    await tiny.host.demonstrations.edit({ 0: { deleted: true }, 1: { deleted: true }, 2: { deleted: true } });
    expect((await training.estimate(optionsFor())).refusal?.message).toContain('do not fit');
  });

  test('without a policy there is nothing to estimate', async () => {
    const { host } = await tinyHost();
    expect(await codeOf(host.training.estimate(optionsFor()))).toBe('bad-input');
  });
});
