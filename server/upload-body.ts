import type { HttpError } from './http-error.ts';

/** What is still read of a request that was refused: a little more than the page sends in one. */
const DRAIN_BYTES = 20 * 2 ** 20;
const DRAIN_MS = 5_000;

/** A request that sends bytes of an upload. */
export interface Work {
  readonly stop: AbortController;
  /** When nothing of it is at the file any more. */
  readonly settled: Promise<void>;
  /** Why its bytes are not taken any more. */
  refusal: HttpError | null;
  /** Reads what still comes of its body, so that a client that sends all before it reads gets to read the answer. */
  drain: () => Promise<void>;
}

/**
 * The body of a request, which calls `take` before it gives bytes. It is not touched before it is read: a request that is refused by its
 * headers is left to the server, which can go on with its connection.
 */
export function countedBody(
  request: Request,
  work: Work,
  take: (bytes: number) => Promise<void>,
): ReadableStream<Uint8Array> {
  const { signal } = work.stop;
  const stopped = new Promise<never>((_, failed) => {
    signal.addEventListener('abort', () => failed(new Error('The upload was stopped.')), { once: true });
  });
  stopped.catch(() => {});
  let reader: ReadableStreamDefaultReader<Uint8Array> | null | undefined;
  const pull = async (controller: ReadableStreamDefaultController<Uint8Array>) => {
    reader ??= request.body?.getReader() ?? null;
    if (reader === null) return controller.close();
    work.drain = () => drain(reader!);
    const { done, value } = await Promise.race([reader.read(), stopped]);
    if (done) return controller.close();
    try {
      await take(value.length);
    } catch (error) {
      work.refusal = error as HttpError;
      throw error;
    }
    controller.enqueue(value);
  };
  return new ReadableStream({ pull }, { highWaterMark: 0 });
}

async function drain(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  const late = new Promise<'late'>((done) => {
    setTimeout(done, DRAIN_MS, 'late').unref();
  });
  for (let bytes = 0; bytes < DRAIN_BYTES;) {
    const next = await Promise.race([reader.read(), late]).catch(() => 'late' as const);
    if (next === 'late' || next.done) return;
    bytes += next.value.length;
  }
}
