/**
 * Calls of the policy worker in any order and at any time, most of them while others are still going on: whatever comes, every call ends, with
 * an error that is known, and after disposing nothing is left. `npm run walk:workers` walks 10,000 times.
 */
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { memoryShardStore } from '../../src/model/weights/shard-store.ts';
import type { PolicyInfo } from '../../src/workers/boundary/contract.ts';
import type { Cancellable, LeaseState } from '../../src/workers/boundary/contract-lease.ts';
import { exhaustAfter } from './fake-runtime.ts';
import {
  demonstrationsFor,
  gate,
  nothing,
  observationFor,
  optionsFor,
  tinyHost,
  urlOf,
  type TinyHost,
} from './tiny-host.ts';

const WALKS = Number(process.env['WALKS'] ?? 60);
const SEED = Number(process.env['WALK_SEED'] ?? 7);

/** How a call may end, besides well. */
const EXPECTED = new Set([
  'bad-file',
  'bad-input',
  'busy',
  'cancelled',
  'device-lost',
  'diverged',
  'download-failed',
  'out-of-memory',
]);

// Downloaded once; every walk has runs of its own.
const packages = memoryShardStore();

/** A host, and the calls that were made of it. */
class Walk {
  readonly tiny: TinyHost;
  readonly info: PolicyInfo;
  readonly #calls: Promise<void>[] = [];
  readonly unexpected: string[] = [];
  /** Opens what holds up the runtime. */
  release: () => void = nothing;

  constructor(tiny: TinyHost, info: PolicyInfo) {
    this.tiny = tiny;
    this.info = info;
  }

  /** Makes a call and goes on without waiting for it. */
  call(name: string, call: () => Promise<unknown>): void {
    const ended = call().then(nothing, (error: unknown) => {
      const { code } = error as { code?: string };
      if (code === undefined || !EXPECTED.has(code)) this.unexpected.push(`${name}: ${String(error)}`);
    });
    this.#calls.push(ended);
  }

  async settled(): Promise<void> {
    await Promise.all(this.#calls);
  }

  get state(): LeaseState {
    return this.tiny.states.at(-1)!;
  }
}

interface Model {
  calls: number;
}

/** One call, named so that a walk that fails can be read. */
class Step implements fc.AsyncCommand<Model, Walk> {
  readonly #name: string;
  readonly #run: (walk: Walk) => Promise<void> | void;

  constructor(name: string, run: (walk: Walk) => Promise<void> | void) {
    this.#name = name;
    this.#run = run;
  }

  check(): boolean {
    return true;
  }

  async run(model: Model, walk: Walk): Promise<void> {
    model.calls++;
    await this.#run(walk);
    const { kind, run } = walk.state;
    assert(
      run === null || ['ready', 'predicting', 'training', 'switching'].includes(kind),
      `${run} while ${kind}`,
    );
    assert(run !== null || kind !== 'training', 'training without a run');
    assert.deepEqual(walk.unexpected, []);
  }

  toString(): string {
    return this.#name;
  }
}

/** A call that is made and not waited for. */
const calling = (name: string, call: (walk: Walk) => Promise<unknown>): Step =>
  new Step(name, (walk) => walk.call(name, () => call(walk)));

const names = fc.constantFrom('one', 'two');
const episode = fc.nat({ max: 3 });

const steps: fc.Arbitrary<Step>[] = [
  fc
    .constantFrom('first', 'second', 'missing')
    .map((name) => calling(`load ${name}`, ({ tiny }) => tiny.host.load(urlOf(name), 'auto', nothing))),
  fc
    .constantFrom<Cancellable>('loading', 'predicting', 'switching', 'training')
    .map((what) => calling(`cancel ${what}`, ({ tiny }) => tiny.host.cancel(what))),
  fc.constant(calling('predict', ({ tiny, info }) => tiny.host.predict(observationFor(info)))),
  fc.constant(calling('preview', ({ tiny, info }) => tiny.host.preview(observationFor(info).images))),
  fc.constant(calling('estimate', ({ tiny }) => tiny.host.training.estimate(optionsFor()))),
  fc
    .record({ run: names, maxSteps: fc.integer({ min: 1, max: 4 }), resume: fc.boolean() })
    .map(({ resume, ...options }) =>
      calling(`${resume ? 'resume' : 'start'} ${options.run} to ${options.maxSteps}`, async ({ tiny }) => {
        const { adapters } = await tiny.host.adapters.list();
        const startFrom = adapters.length > 2 ? adapters[0]!.id : null;
        return tiny.host.training.start(optionsFor({ ...options, startFrom }), resume, nothing);
      }),
    ),
  fc.constant(calling('pause', ({ tiny }) => tiny.host.training.pause())),
  fc.constant(calling('continue', ({ tiny }) => tiny.host.training.continue())),
  names.map((run) => calling(`remove run ${run}`, ({ tiny }) => tiny.host.training.removeRun(run))),
  names.map((run) => calling(`open run ${run}`, ({ tiny }) => tiny.host.adapters.openRun(run, null))),
  fc.nat({ max: 3 }).map((index) =>
    calling(`use adapter ${index}`, async ({ tiny }) => {
      const { adapters } = await tiny.host.adapters.list();
      return tiny.host.adapters.use(adapters[index]?.id ?? null);
    }),
  ),
  fc.constant(
    calling('hand an adapter round', async ({ tiny }) => {
      const [first] = (await tiny.host.adapters.list()).adapters;
      if (!first) return;
      const { file } = await tiny.host.adapters.file(first.id);
      await tiny.host.adapters.openFile(file, 'round');
    }),
  ),
  fc.constant(
    calling('open demonstrations', ({ tiny, info }) =>
      tiny.host.demonstrations.open({ kind: 'recorded', recorded: demonstrationsFor(info, 2, 9) }, nothing),
    ),
  ),
  fc.constant(calling('close demonstrations', ({ tiny }) => tiny.host.demonstrations.close())),
  fc
    .record({ index: episode, deleted: fc.boolean() })
    .map(({ index, deleted }) =>
      calling(`${deleted ? 'delete' : 'keep'} episode ${index}`, ({ tiny }) =>
        tiny.host.demonstrations.edit({ [index]: { deleted } }),
      ),
    ),
  episode.map((index) =>
    calling(`look at episode ${index}`, ({ tiny }) => tiny.host.demonstrations.episode(index)),
  ),
  episode.map((index) =>
    calling(`check episode ${index}`, ({ tiny }) => tiny.host.demonstrations.check(index, 0)),
  ),
  fc.constant(calling('review', ({ tiny }) => tiny.host.demonstrations.review(nothing))),
  fc.constant(calling('dispose', ({ tiny }) => tiny.host.dispose())),
  // What the machine does.
  fc.nat({ max: 120 }).map(
    (count) =>
      new Step(`memory runs out after ${count}`, ({ tiny }) => {
        const runtime = tiny.runtimes.at(-1);
        if (runtime) exhaustAfter(runtime, count);
      }),
  ),
  fc.constant(
    new Step('memory is free again', ({ tiny }) => {
      for (const runtime of tiny.runtimes) runtime.before = nothing;
    }),
  ),
  fc.boolean().map(
    (diverges) =>
      new Step(diverges ? 'numbers explode' : 'numbers are well again', ({ tiny }) => {
        const runtime = tiny.runtimes.at(-1);
        if (runtime) runtime.value = diverges ? Number.NaN : 0.01;
      }),
  ),
  fc.constant(
    new Step('the GPU is lost', ({ tiny }) => (tiny.runtimes.length > 0 ? tiny.loseGpu() : undefined)),
  ),
  fc.constant(
    new Step('the runtime is held up', (walk) => {
      const runtime = walk.tiny.runtimes.at(-1);
      if (!runtime || runtime.gate) return;
      const held = gate();
      runtime.gate = held.promise;
      walk.release = () => {
        runtime.gate = null;
        held.open();
      };
    }),
  ),
  fc.constant(new Step('the runtime goes on', (walk) => walk.release())),
  fc.integer({ min: 1, max: 4 }).map(
    (turns) =>
      new Step(`time goes by, ${turns}`, async () => {
        for (let i = 0; i < turns; i++) await new Promise((resolve) => setTimeout(resolve, 0));
      }),
  ),
  fc.constant(
    new Step('everything ends', async (walk) => {
      walk.release();
      await walk.tiny.host.training.continue();
      await walk.settled();
    }),
  ),
];

/** Whatever went before: what is asked to end ends, the host is still of use, and then nothing is left. */
async function finish(walk: Walk) {
  const { host, runtimes } = walk.tiny;
  walk.release();
  for (const runtime of runtimes) runtime.before = nothing;
  const waiting = { over: false };
  const settled = walk.settled().then(() => (waiting.over = true));
  // A call may only now begin what waits for a pause or a gate.
  while (!waiting.over) {
    await host.training.continue();
    await host.cancel('training');
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  await settled;
  const info = await host.load(urlOf('first'), 'auto', nothing);
  const { actions } = await host.predict(observationFor(info));
  const adapters = await host.adapters.list();
  await host.dispose();
  return {
    predicted: actions.length === info.chunkSize,
    adapters,
    state: walk.state,
    unexpected: walk.unexpected,
    left: runtimes.filter(
      ({ live, programs, disposed }) => live.tensors + live.byteLength + programs > 0 || !disposed,
    ),
  };
}

test(
  `${WALKS} random walks over the calls end in order`,
  async () => {
    const known = await tinyHost({ packages, runs: memoryShardStore() });
    const info = await known.host.load(urlOf('first'), 'auto', nothing);
    await known.host.dispose();
    await fc.assert(
      fc.asyncProperty(fc.commands(steps, { maxCommands: 30, size: 'max' }), async (commands) => {
        const tiny = await tinyHost({ packages, runs: memoryShardStore() });
        const walk = new Walk(tiny, info);
        // Most calls need a policy, and many demonstrations.
        await tiny.host.load(urlOf('first'), 'auto', nothing);
        walk.call('open demonstrations', () =>
          tiny.host.demonstrations.open(
            { kind: 'recorded', recorded: demonstrationsFor(info, 2, 9) },
            nothing,
          ),
        );
        await fc.asyncModelRun(() => ({ model: { calls: 0 }, real: walk }), commands);
        expect(await finish(walk)).toEqual({
          predicted: true,
          adapters: { adapters: [], active: null },
          state: { kind: 'idle', run: null },
          unexpected: [],
          left: [],
        });
      }),
      { numRuns: WALKS, seed: SEED },
    );
  },
  Math.max(120_000, 500 * WALKS),
);
