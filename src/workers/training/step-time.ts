import { ModelError } from '../../base/errors.ts';
import { Trainer } from '../../model/finetune/trainer.ts';
import type { AdaptersHost } from '../policy/adapters-host.ts';
import type { LoadedPolicy } from '../policy/loaded-policy.ts';
import { startingPoint, trainingOptions, type RunStart } from './run-start.ts';
import { trainingData } from './training-data.ts';

/** The first compiles; these come after it. */
const TIMED = 3;

/**
 * How long a step of a run takes on this machine: a few are done, and thrown away. In a turn; what was in use before is in use after it.
 * @returns seconds
 */
export async function timeSteps(
  held: LoadedPolicy,
  start: RunStart,
  {
    adapters,
    now,
    signal,
  }: { readonly adapters: AdaptersHost; readonly now: () => number; readonly signal: AbortSignal },
): Promise<number> {
  const { options, opened } = start;
  const { own, statistics, parameters } = await startingPoint(start, adapters);
  const { train, validation } = trainingData(opened, options, held, statistics);
  let trainer: Trainer | null = null;
  try {
    const { policy } = await held.variants.get({ own, statistics });
    trainer = new Trainer({
      run: '',
      policy,
      own,
      parameters,
      train,
      validation: null,
      options: trainingOptions(options),
      statistics,
    });
    await trainer.trainStep();
    const begun = now();
    for (let step = 0; step < TIMED; step++) {
      if (signal.aborted) throw new ModelError('cancelled', 'Timing a step was cancelled.');
      await trainer.trainStep();
    }
    return (now() - begun) / 1000 / TIMED;
  } finally {
    trainer?.dispose();
    await adapters.takeBack(held, null);
    await train.close();
    await validation?.close();
  }
}
