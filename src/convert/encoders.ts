/** Threads that encode: workers of a page or of Node, or the caller's own. */
import { ModelError, type ErrorCode } from '../base/errors.ts';
import { encodeParts, type EncodedPart, type EncodeJob } from './encode.ts';

export interface Encoders {
  /** Jobs that are worth having under way at once. */
  readonly width: number;
  /** The job's bytes are moved away. */
  encode(job: EncodeJob): Promise<EncodedPart[]>;
  end(): Promise<void>;
}

/** Encodes on the thread that asks. */
export const ownThread: Encoders = {
  width: 1,
  encode: async (job) => encodeParts(job),
  end: async () => undefined,
};

/** A worker as the browser and Node have it in common. */
export interface EncodeThread {
  post(message: unknown, moved: ArrayBuffer[]): void;
  onMessage(hear: (message: unknown) => void): void;
  /** @param hear what ended it; later jobs fail as well */
  onCrash(hear: (detail: string) => void): void;
  end(): void | Promise<unknown>;
}

interface Answer {
  readonly id: number;
  readonly parts?: EncodedPart[];
  readonly failed?: { readonly code: ErrorCode; readonly message: string; readonly hint: string };
}

interface Waiting {
  readonly resolve: (parts: EncodedPart[]) => void;
  readonly reject: (error: unknown) => void;
}

/** The page's or Node's end: each job goes to the thread with the fewest. */
export function encodersOf(threads: readonly EncodeThread[]): Encoders {
  let next = 0;
  const desks = threads.map((thread) => ({ thread, waiting: new Map<number, Waiting>(), crash: '' }));
  for (const desk of desks) {
    desk.thread.onMessage((message) => {
      const { id, parts, failed } = message as Answer;
      const waiting = desk.waiting.get(id);
      desk.waiting.delete(id);
      if (parts) waiting?.resolve(parts);
      else waiting?.reject(new ModelError(failed!.code, failed!.message, failed!.hint));
    });
    desk.thread.onCrash((detail) => {
      desk.crash = detail || 'it ended';
      for (const { reject } of desk.waiting.values()) reject(crashed(desk.crash));
      desk.waiting.clear();
    });
  }
  return {
    width: threads.length,
    encode: (job) =>
      new Promise((resolve, reject) => {
        const desk = desks.reduce((least, one) => (one.waiting.size < least.waiting.size ? one : least));
        if (desk.crash) {
          reject(crashed(desk.crash));
          return;
        }
        const id = next++;
        desk.waiting.set(id, { resolve, reject });
        desk.thread.post({ id, job }, [job.bytes]);
      }),
    end: async () => {
      for (const thread of threads) await thread.end();
    },
  };
}

/** The thread's end. @returns what it answers a message with, and the buffers that move along */
export function answerEncodeMessage(message: unknown): { answer: unknown; moved: ArrayBuffer[] } {
  const { id, job } = message as { id: number; job: EncodeJob };
  try {
    const parts = encodeParts(job);
    return {
      answer: { id, parts } satisfies Answer,
      moved: parts.flatMap(({ data, scales }) => [data.buffer, ...(scales ? [scales.buffer] : [])]),
    };
  } catch (error) {
    const { code, message: text, hint } = error instanceof ModelError ? error : crashed(String(error));
    return { answer: { id, failed: { code, message: text, hint } } satisfies Answer, moved: [] };
  }
}

function crashed(detail: string): ModelError {
  return new ModelError(
    'out-of-memory',
    `A thread of the converter stopped: ${detail}.`,
    'Close other programs and go on: what is written stays.',
  );
}
