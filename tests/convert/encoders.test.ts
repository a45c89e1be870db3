import { expect, test } from 'vitest';
import type { EncodeJob } from '../../src/convert/encode.ts';
import { answerEncodeMessage, encodersOf, ownThread, type EncodeThread } from '../../src/convert/encoders.ts';
import { toBfloat16 } from '../../src/model/weights/half.ts';
import { randomFloats } from '../setup/compare.ts';

/** A thread that answers when it is told to. */
function madeUpThread() {
  const asked: unknown[] = [];
  const listeners: { hear?: (message: unknown) => void; crash?: (detail: string) => void } = {};
  const thread: EncodeThread = {
    post: (message) => asked.push(message),
    onMessage: (listener) => (listeners.hear = listener),
    onCrash: (listener) => (listeners.crash = listener),
    end: () => undefined,
  };
  const answer = () => listeners.hear?.(answerEncodeMessage(asked.shift()).answer);
  return { thread, asked, answer, crash: (detail: string) => listeners.crash?.(detail) };
}

function job(seed: number, values = randomFloats(64 * 8, seed)): EncodeJob {
  const bytes = toBfloat16(values).buffer;
  const part = { dtype: 'BF16', columns: 64, start: 0, byteLength: bytes.byteLength } as const;
  return { bytes, parts: [{ ...part, name: 'a.weight', encoding: 'q4' }] };
}

test('jobs go to the thread with the fewest, and answers to those who asked', async () => {
  const [one, two] = [madeUpThread(), madeUpThread()];
  const encoders = encodersOf([one.thread, two.thread]);
  const results = [0, 1, 2].map((seed) => encoders.encode(job(seed)));
  expect([one.asked.length, two.asked.length]).toEqual([2, 1]);
  two.answer();
  one.answer();
  one.answer();
  for (const [seed, result] of results.entries())
    expect(await result).toEqual(await ownThread.encode(job(seed)));
});

test('a weight that is not finite is refused by name, whatever it is stored as', async () => {
  const { thread, answer } = madeUpThread();
  const encoders = encodersOf([thread]);
  for (const encoding of ['f32', 'f16', 'q8', 'q4'] as const) {
    const spoilt = randomFloats(64 * 8, 1);
    spoilt[77] = Number.NaN;
    const { bytes, parts } = job(1, spoilt);
    const refused = encoders.encode({ bytes, parts: [{ ...parts[0]!, encoding }] });
    answer();
    await expect(refused).rejects.toMatchObject({
      code: 'bad-file',
      message: expect.stringContaining('"a.weight" holds NaN') as string,
    });
  }
});

test('a thread that ends fails what it was asked, and what it is asked later', async () => {
  const { thread, crash } = madeUpThread();
  const encoders = encodersOf([thread]);
  const waiting = encoders.encode(job(0));
  crash('out of memory');
  await expect(waiting).rejects.toMatchObject({
    message: expect.stringContaining('out of memory') as string,
  });
  await expect(encoders.encode(job(1))).rejects.toMatchObject({ code: 'out-of-memory' });
});
