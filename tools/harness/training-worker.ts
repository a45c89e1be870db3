/** A worker that trains a golden case with checkpoints in OPFS, for tests that kill it. */
import { loadLatestCheckpoint } from '../../src/model/finetune/checkpoints.ts';
import { checkpointParameters, shapesOf } from '../../src/model/finetune/parameters.ts';
import { runTraining } from '../../src/model/finetune/run.ts';
import { chooseBackend, currentHost } from '../../src/model/runtime/backend.ts';
import { createWebRuntime } from '../../src/model/runtime/web.ts';
import { opfsShardStore } from '../../src/model/weights/opfs-store.ts';
import { ortFiles } from '../../src/workers/ort-files.ts';
import { goldenTrainer } from './golden-trainer.ts';
import type { JobArguments } from './page.ts';
import { servedFolder } from './parity-job.ts';

export interface TrainingWorkerArguments extends JobArguments {
  readonly run: string;
  readonly steps: number;
}

export type TrainingWorkerMessage =
  | { readonly kind: 'step'; readonly step: number }
  | { readonly kind: 'done'; readonly losses: readonly number[] }
  | { readonly kind: 'failed'; readonly message: string };

const tell = (message: TrainingWorkerMessage) => postMessage(message);

async function train(args: TrainingWorkerArguments): Promise<void> {
  const { choice, adapter } = await chooseBackend(currentHost(), args.backend);
  const runtime = await createWebRuntime({ ...choice, threads: 1 }, adapter, { files: ortFiles });
  const store = opfsShardStore('runs');
  const checkpoint = await loadLatestCheckpoint(store, args.run);
  const trainer = await goldenTrainer(servedFolder(args), runtime, {
    run: args.run,
    maxSteps: args.steps,
    ...(checkpoint
      ? { parameters: (config, source) => checkpointParameters(config, shapesOf(source), checkpoint) }
      : {}),
  });
  if (checkpoint) trainer.restore(checkpoint);
  await runTraining(
    trainer,
    store,
    {},
    {
      phase: () => undefined,
      step: ({ step }) => tell({ kind: 'step', step }),
      validation: () => undefined,
      saved: () => undefined,
      // A worker that was just killed may hold its files a moment longer; the next step saves again.
      saveFailed: () => undefined,
    },
    { signal: new AbortController().signal, gate: () => null, exclusively: (task) => task() },
  );
  tell({ kind: 'done', losses: trainer.history.steps.map(({ loss }) => loss) });
}

addEventListener('message', (event: MessageEvent<TrainingWorkerArguments>) => {
  train(event.data).catch((error: unknown) =>
    tell({ kind: 'failed', message: error instanceof Error ? error.message : String(error) }),
  );
});
