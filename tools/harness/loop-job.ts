/** The loop at 30 Hz in a real page: the SO-101 moves and is drawn in its worker while the shipped policy predicts in its own. */
import * as Comlink from 'comlink';
import type { Runtime } from '../../src/model/runtime/runtime.ts';
import { connectPolicyWorker, connectPracticeWorker } from '../../src/workers/boundary/client.ts';
import type { Observation, Prediction } from '../../src/workers/boundary/contract.ts';
import type { SentCommand } from '../../src/workers/boundary/contract-practice.ts';
import { offered } from '../../src/workers/boundary/transfer.ts';
import type { JobArguments } from './page.ts';

export interface LoopBench {
  readonly ahead: boolean;
  readonly periodMs: number;
  readonly commands: SentCommand[];
  /** Of the predictions, in their worker. */
  readonly predictionMs: number[];
}

/** Of the arm's slow swing, degrees, and of a whole one, seconds. */
const SWING = 20;
const SWING_SECONDS = 6;

const failed = (error: unknown): void => console.error(JSON.stringify(error));

/** @param args `url` of the package, `steps` commands of each way to predict, `without` what is left out: picture, policy */
export async function runLoopJob(_: Runtime, args: JobArguments): Promise<LoopBench[]> {
  const policy = connectPolicyWorker(failed);
  const table = connectPracticeWorker(failed);
  const url = new URL(String(args['url']), location.origin).href;
  await policy.inspect(url, args.backend);
  const info = await policy.load(url, args.backend, () => undefined);
  const without = args['without'] as readonly string[];
  // A single pixel costs next to nothing; a table that is hidden would not move.
  const size = without.includes('picture') ? { width: 1, height: 1 } : { width: 720, height: 540 };
  const canvas = Object.assign(document.createElement('canvas'), size);
  document.body.append(canvas);
  await table.open(canvas.transferControlToOffscreen(), { ...size, ratio: 1 }, failed);
  const { profile, execute } = await table.reset('lift', 3, true, 'so101');
  // Nothing is reached, so it goes on.
  await table.instruct('swing to and fro');

  let predictionMs: number[] = [];
  let steps = 0;
  /** Answered again where nothing is to be computed. */
  let computed: Prediction | null = null;
  // The shipped policy computes on what the arm's cameras see, as fast and as long as for its own robot. What it says is for that one:
  // the arm swings instead.
  const predict = async (observation: Observation): Promise<Prediction> => {
    const state = observation.state!;
    computed ??= await policy.predict({
      ...observation,
      state: info.neutralState![info.defaultUnnormKey]!,
      unnormKey: info.defaultUnnormKey,
    });
    const prediction = computed;
    if (!without.includes('policy')) computed = null;
    predictionMs.push(prediction.elapsedMs);
    const actions = Array.from({ length: 16 }, (__, i) => {
      const phase = (2 * Math.PI * (steps + i)) / profile.controlHz / SWING_SECONDS;
      return state.map((value, joint) => (joint === 0 ? SWING * Math.sin(phase) : value));
    });
    return { ...prediction, actions };
  };
  const { port1, port2 } = new MessageChannel();
  Comlink.expose(offered({ predict }), port1);
  await table.linkPolicy(port2);

  const benches: LoopBench[] = [];
  const most = Number(args['steps']);
  for (const ahead of [true, false]) {
    predictionMs = [];
    steps = 0;
    await table.reset('lift', 3, true, 'so101');
    await table.instruct('swing to and fro');
    await table.chooseLoop({ ensembling: false, ahead });
    await table.run({ most, execute, realTime: true, unnormKey: '' }, (news) => {
      if (news.kind === 'predicted') steps = news.steps;
    });
    benches.push({
      ahead,
      periodMs: 1000 / profile.controlHz,
      commands: await table.commands(),
      predictionMs,
    });
  }
  policy.terminate();
  table.terminate();
  return benches;
}
