/** Runs a part of a campaign; the thread that started it watches the time, as a loop without end cannot be left from inside. */
import { parentPort, workerData } from 'node:worker_threads';
import { isSaidAlready, registerDecoders } from '../node/decoders.ts';
import { fuzzOnce } from './campaign.ts';
import { FORMATS } from './formats.ts';

const { name, seed, first, end } = workerData as {
  name: string;
  seed: number;
  first: number;
  end: number;
};

await registerDecoders();
const format = FORMATS[name]!;
const original = format.load();
let run = first;
process.on('unhandledRejection', (error) => {
  if (isSaidAlready(error)) return;
  const failure = `unhandled rejection: ${error instanceof Error ? error.stack : String(error)}`;
  parentPort!.postMessage({ run, faults: [], refused: [], failure });
});
for (; run < end; run++) parentPort!.postMessage(await fuzzOnce(format, original, seed, run));
