/** A thread of the converting worker. */
import { answerEncodeMessage } from '../../convert/encoders.ts';

addEventListener('message', ({ data }: MessageEvent<unknown>) => {
  const { answer, moved } = answerEncodeMessage(data);
  (postMessage as (message: unknown, transfer: Transferable[]) => void)(answer, moved);
});
