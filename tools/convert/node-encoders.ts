import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { encodersOf, ownThread, type Encoders, type EncodeThread } from '../../src/convert/encoders.ts';

/** Below this a thread takes longer to start than it saves. */
const SMALL_BYTES = 64 * 2 ** 20;

/** A thread for each core; none for a small checkpoint. */
export function nodeEncoders(sourceBytes: number): Encoders {
  if (sourceBytes < SMALL_BYTES) return ownThread;
  return encodersOf(Array.from({ length: availableParallelism() }, startThread));
}

function startThread(): EncodeThread {
  const worker = new Worker(new URL('../node/run.mjs', import.meta.url), {
    argv: ['tools/convert/encode-thread.ts'],
  });
  return {
    post: (message, moved) => worker.postMessage(message, moved),
    onMessage: (hear) => void worker.on('message', hear),
    onCrash: (hear) => void worker.on('error', (error) => hear(String(error))),
    end: () => worker.terminate(),
  };
}
