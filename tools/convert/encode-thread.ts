/** A thread of the converter in Node. */
import { parentPort } from 'node:worker_threads';
import { answerEncodeMessage } from '../../src/convert/encoders.ts';

parentPort!.on('message', (message: unknown) => {
  const { answer, moved } = answerEncodeMessage(message);
  parentPort!.postMessage(answer, moved);
});
