/** The policy worker's host with everything it takes from a browser made up: a fake runtime, a clock that is turned by hand, files in memory. */
import { parsePolicyConfig } from '../../src/model/policy/config.ts';
import { Random } from '../../src/base/random.ts';
import type { BackendChoice } from '../../src/model/runtime/backend.ts';
import type { Runtime } from '../../src/model/runtime/runtime.ts';
import { planPackage } from '../../src/convert/plan.ts';
import { runConversion } from '../../src/convert/run-conversion.ts';
import { openCheckpoint } from '../../src/model/weights/checkpoint.ts';
import { memoryShardStore, type ShardStore } from '../../src/model/weights/shard-store.ts';
import { ModelError } from '../../src/base/errors.ts';
import type { Observation, PolicyInfo } from '../../src/workers/boundary/contract.ts';
import type { FineTuneOptions } from '../../src/workers/boundary/contract-finetune.ts';
import type { LeaseState } from '../../src/workers/boundary/contract-lease.ts';
import type { RecordedDemonstrations } from '../../src/workers/boundary/contract-practice.ts';
import { PolicyHost } from '../../src/workers/policy/policy-host.ts';
import type { Surroundings } from '../../src/workers/surroundings.ts';
import { caseConfig } from '../../tools/parity/case-config.ts';
import { openTensors, readJson, type GoldenMeta } from '../../tools/parity/golden.ts';
import { folderFiles } from '../../tools/parity/host.ts';
import { memoryTarget, type Files } from '../weights/small-package.ts';
import { FakeRuntime } from './fake-runtime.ts';

export type CaseName = 'siglip-only-l1' | 'libero-diffusion';
export type PackageName = 'first' | 'second';

export const urlOf = (name: string): string => `https://models.test/${name}/manifest.json`;

/** A golden checkpoint as two packages that differ by their names alone. */
async function makePackages(of: CaseName): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const files = folderFiles(`tests/golden/${of}`);
  const meta = await readJson<GoldenMeta>(files, 'meta.json');
  const io = await openTensors(files, 'io.safetensors');
  const checkpoint = await openCheckpoint(files);
  const config = parsePolicyConfig(caseConfig(checkpoint, meta, io.has('proprio_token')));
  const served = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const name of ['first', 'second'] satisfies PackageName[]) {
    const written: Files = new Map();
    const plan = await planPackage(
      checkpoint,
      { name, description: '', source: of, config: { ...config } },
      new TextEncoder().encode('{}'),
      { encodingOf: () => 'f32' },
    );
    await runConversion(plan, memoryTarget(written));
    for (const [path, bytes] of written) served.set(new URL(path, urlOf(name)).href, bytes);
  }
  return served;
}

const packages = new Map<CaseName, Promise<Map<string, Uint8Array<ArrayBuffer>>>>();

function packagesOf(name: CaseName): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const made = packages.get(name) ?? makePackages(name);
  packages.set(name, made);
  return made;
}

/** Stores outlive a host: two hosts on the same ones are two tabs. */
export interface Device {
  readonly packages: ShardStore;
  readonly runs: ShardStore;
}

export const newDevice = (quota?: number): Device => ({
  packages: memoryShardStore(),
  runs: memoryShardStore(quota === undefined ? {} : { quota }),
});

export interface TinyHost {
  readonly host: PolicyHost;
  /** Every runtime that was started, the newest last. */
  readonly runtimes: FakeRuntime[];
  readonly runtime: () => FakeRuntime;
  readonly states: LeaseState[];
  readonly served: Map<string, Uint8Array<ArrayBuffer>>;
  /** Milliseconds the clock goes on at every look. */
  tick: number;
  /** Fetches wait for this. */
  online: Promise<void> | null;
  /** Says that the GPU of the newest runtime is gone. */
  loseGpu(): void;
  /** What the next runtime is like. */
  prepare: (runtime: FakeRuntime) => void;
}

interface HostOptions {
  of?: CaseName;
  patienceMs?: number;
  /** In place of fake runtimes. */
  real?: (onLost: (error: ModelError) => void) => Promise<Runtime>;
}

export async function tinyHost(
  device: Device = newDevice(),
  { of = 'siglip-only-l1', patienceMs = 20, real }: HostOptions = {},
): Promise<TinyHost> {
  const served = await packagesOf(of);
  const runtimes: FakeRuntime[] = [];
  let time = 0;
  let lost!: (error: ModelError) => void;
  const choice: BackendChoice = {
    backend: 'wasm',
    reason: 'A test.',
    adapter: null,
    limits: null,
    threads: 1,
  };
  const around: Surroundings = {
    ...device,
    fetch: async (url, init) => {
      await made.online;
      init?.signal?.throwIfAborted();
      const bytes = made.served.get(url);
      return bytes ? new Response(bytes) : new Response('not here', { status: 404, statusText: 'Not Found' });
    },
    now: () => (time += made.tick),
    chooseBackend: async (preference) => {
      if (preference === 'webgpu') throw new ModelError('no-webgpu', 'This test has no WebGPU.');
      return choice;
    },
    startRuntime: async (_preference, onLost, takenOver) => {
      lost = onLost;
      if (real) return { runtime: await real(onLost), choice };
      const runtime = new FakeRuntime();
      if (takenOver) runtime.kernelReport = takenOver;
      made.prepare(runtime);
      runtimes.push(runtime);
      return { runtime, choice };
    },
    // Prompts of several lengths, in the small vocabulary.
    createTokenizer: async () => (text) => [
      1,
      ...Array.from({ length: 3 + (text.length % 3) }, (_, i) => 5 + i),
    ],
    readPixels: () => {
      throw new Error('There are no video frames here.');
    },
    deviceMemoryGib: 8,
    storage: async () => ({ quota: 1e9, usage: 1e6 }),
    patienceMs,
  };
  const states: LeaseState[] = [];
  const host = new PolicyHost(around);
  await host.watch((state) => states.push(state));
  const made: TinyHost = {
    host,
    runtimes,
    runtime: () => runtimes.at(-1)!,
    states,
    served: new Map(served),
    tick: 5,
    online: null,
    loseGpu: () => lost(new ModelError('device-lost', 'The GPU is gone.', 'Load the policy again.')),
    prepare: () => undefined,
  };
  return made;
}

export async function loadedHost(
  ...args: Parameters<typeof tinyHost>
): Promise<TinyHost & { info: PolicyInfo }> {
  const tiny = await tinyHost(...args);
  const info = await tiny.host.load(urlOf('first'), 'auto', () => undefined);
  return Object.assign(tiny, { info });
}

const SIDE = 8;

function image(seed: number): { width: number; height: number; data: Uint8ClampedArray<ArrayBuffer> } {
  const random = new Random(seed);
  const data = Uint8ClampedArray.from({ length: 4 * SIDE * SIDE }, (_, i) =>
    i % 4 === 3 ? 255 : random.integer(256),
  );
  return { width: SIDE, height: SIDE, data };
}

export function observationFor(info: PolicyInfo): Observation {
  return {
    images: info.imageSlots.map((_, i) => image(i)),
    instruction: 'push the block',
    state: info.state && info.state.map(() => 0.1),
    unnormKey: info.defaultUnnormKey,
  };
}

function numbers(count: number, seed: number): Float32Array<ArrayBuffer> {
  const random = new Random(seed);
  return Float32Array.from({ length: count }, () => 2 * random.uniform() - 1);
}

/** Episodes that fit the policy, with enough steps to train on. */
export function demonstrationsFor(
  info: PolicyInfo,
  episodes = 3,
  length = info.chunkSize + 3,
): RecordedDemonstrations {
  return {
    name: 'made up',
    fps: info.controlHz,
    actionNames: info.actions.map(({ name }) => name),
    stateNames: info.state && info.state.map(({ name }) => name),
    cameras: info.imageSlots.map(({ name }) => ({ name, width: SIDE, height: SIDE })),
    episodes: Array.from({ length: episodes }, (_, e) => ({
      instruction: `push block ${e}`,
      actions: numbers(length * info.actions.length, 10 + e),
      state: info.state && numbers(length * info.state.length, 20 + e),
      frames: Object.fromEntries(
        info.imageSlots.map(({ name }, slot) => [
          name,
          Array.from({ length }, (_step, step) => image(100 * e + 10 * slot + step)),
        ]),
      ),
      scene: null,
    })),
  };
}

export async function openMadeUp({ host }: TinyHost, info: PolicyInfo, episodes?: number): Promise<void> {
  const recorded = demonstrationsFor(info, episodes);
  await host.demonstrations.open({ kind: 'recorded', recorded }, () => undefined);
}

export const optionsFor = (change: Partial<FineTuneOptions> = {}): FineTuneOptions => ({
  run: 'a run',
  seed: 7,
  maxSteps: 3,
  batchSize: 1,
  gradAccumulationSteps: 1,
  learningRate: 1e-3,
  lrWarmupSteps: 0,
  numStepsBeforeDecay: 1000,
  maxGradNorm: null,
  imageAug: false,
  validationFraction: 0,
  valFreq: 0,
  valSamples: 0,
  saveFreq: 1,
  startFrom: null,
  lora: { r: 2, alpha: 2, dropout: 0, targets: 'all-linear' },
  freshModules: false,
  statistics: 'demonstrations',
  demonstrationWeight: 1,
  robot: null,
  ...change,
});

export function gate(): { readonly promise: Promise<void>; readonly open: () => void } {
  let open!: () => void;
  const promise = new Promise<void>((resolve) => (open = resolve));
  return { promise, open };
}

export const nothing = (): void => undefined;

/** The code a promise rejects with; null where it resolves. */
export async function codeOf(promise: Promise<unknown>): Promise<string | null> {
  try {
    await promise;
    return null;
  } catch (error) {
    return (error as { code?: string }).code ?? `no code: ${String(error)}`;
  }
}
