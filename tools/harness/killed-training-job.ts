import { loadLatestCheckpoint } from '../../src/model/finetune/checkpoints.ts';
import { checkpointParameters, shapesOf } from '../../src/model/finetune/parameters.ts';
import { Random } from '../../src/base/random.ts';
import { chooseBackend, currentHost } from '../../src/model/runtime/backend.ts';
import type { Runtime } from '../../src/model/runtime/runtime.ts';
import { createWebRuntime } from '../../src/model/runtime/web.ts';
import { opfsShardStore } from '../../src/model/weights/opfs-store.ts';
import { ortFiles } from '../../src/workers/ort-files.ts';
import { goldenTrainer } from './golden-trainer.ts';
import type { JobArguments } from './page.ts';
import { servedFolder } from './parity-job.ts';
import type { TrainingWorkerMessage } from './training-worker.ts';

export interface KilledTraining {
  /** Losses of a run that nobody disturbed. */
  readonly whole: readonly number[];
  /** Losses of the run whose worker was killed again and again. */
  readonly killed: readonly number[];
  /** Step of the newest whole checkpoint after each kill. */
  readonly savedAfterKill: readonly number[];
}

const STEPS = 40;

/** Kills the worker `kills` times, at moments drawn from a seed, and lets it finish at last. */
export async function runKilledTraining(_runtime: Runtime, args: JobArguments): Promise<KilledTraining> {
  const { kills, ...rest } = args as JobArguments & { kills: number };
  const store = opfsShardStore('runs');
  for (const run of ['whole', 'killed']) await store.removePackage(run);
  const whole = await finish(rest, 'whole');
  const random = new Random(20);
  const savedAfterKill: number[] = [];
  for (let kill = 0; kill < kills; kill++) {
    await killAfter(rest, 1 + random.integer(2), random.uniform() * 40);
    savedAfterKill.push((await loadLatestCheckpoint(store, 'killed'))?.step ?? 0);
  }
  return { whole, killed: await finish(rest, 'killed'), savedAfterKill };
}

function start(args: JobArguments, run: string): Worker {
  const worker = new Worker(new URL('./training-worker.ts', import.meta.url), { type: 'module' });
  worker.postMessage({ ...args, run, steps: STEPS });
  return worker;
}

function finish(args: JobArguments, run: string): Promise<readonly number[]> {
  const worker = start(args, run);
  return new Promise((resolve, reject) => {
    worker.addEventListener('error', (event) => reject(new Error(event.message)));
    worker.addEventListener('message', ({ data }: MessageEvent<TrainingWorkerMessage>) => {
      if (data.kind === 'done') resolve(data.losses);
      if (data.kind === 'failed') reject(new Error(data.message));
      if (data.kind !== 'step') worker.terminate();
    });
  });
}

/** Terminates the worker some milliseconds after its n-th step, or when it is done. */
function killAfter(args: JobArguments, steps: number, delayMs: number): Promise<void> {
  const worker = start(args, 'killed');
  let seen = 0;
  return new Promise((resolve, reject) => {
    const kill = () => {
      worker.terminate();
      resolve();
    };
    worker.addEventListener('error', (event) => reject(new Error(event.message)));
    worker.addEventListener('message', ({ data }: MessageEvent<TrainingWorkerMessage>) => {
      if (data.kind === 'failed') reject(new Error(data.message));
      else if (data.kind === 'done') kill();
      else if (++seen === steps) setTimeout(kill, delayMs);
    });
  });
}

export interface DestroyedDevice {
  readonly whole: readonly number[];
  readonly resumed: readonly number[];
  /** What the step rejected with whose device was destroyed under it. */
  readonly code: string;
  readonly hint: string;
}

/** Destroys the GPU device in the middle of a step and goes on, on a new one, from the last checkpoint. */
export async function runDestroyedDevice(runtime: Runtime, args: JobArguments): Promise<DestroyedDevice> {
  const files = servedFolder(args);
  const losses: number[] = [];
  const whole = await goldenTrainer(files, runtime, { run: 'whole', maxSteps: 4 });
  for (let step = 0; step < 4; step++) losses.push((await whole.trainStep()).loss);
  whole.dispose();

  const first = await goldenTrainer(files, runtime, { run: 'destroyed', maxSteps: 4 });
  await first.trainStep();
  await first.trainStep();
  const checkpoint = await first.checkpoint();
  const step = first.trainStep();
  setTimeout(() => runtime.device!.destroy(), 20);
  const error = await step.then(
    () => null,
    (thrown: unknown) => thrown as { code: string; hint: string },
  );

  const { choice, adapter } = await chooseBackend(currentHost(), args.backend);
  const fresh = await createWebRuntime(choice, adapter, { files: ortFiles });
  const second = await goldenTrainer(files, fresh, {
    run: 'destroyed',
    maxSteps: 4,
    parameters: (config, source) => checkpointParameters(config, shapesOf(source), checkpoint),
  });
  second.restore(checkpoint);
  while (!second.done) await second.trainStep();
  const resumed = second.history.steps.map(({ loss }) => loss);
  await fresh.dispose();
  return { whole: losses, resumed, code: error?.code ?? 'none', hint: error?.hint ?? '' };
}
