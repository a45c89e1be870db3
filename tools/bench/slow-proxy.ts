/** A host behind a slow line: every connection of page and workers shares it. Counts what crosses, body by body, as it is encoded. */
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Transform } from 'node:stream';

export interface Line {
  /** Bytes a second, shared by all answers; Infinity for no limit. */
  readonly bytesPerSecond: number;
  /** Before each answer, milliseconds. */
  readonly latencyMs: number;
}

export interface Crossed {
  readonly path: string;
  /** Of the body, as encoded. */
  readonly bytes: number;
  /** Milliseconds since the epoch. */
  readonly askedAt: number;
  readonly doneAt: number;
}

export interface SlowProxy {
  readonly url: string;
  /** Answers that were read to their end. */
  readonly crossed: Crossed[];
  close(): Promise<void>;
}

const wait = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

/** What fits through the line at once: smaller pieces share it more evenly. */
const PIECE = 4096;

export async function slowProxy(target: string, line: Line): Promise<SlowProxy> {
  const crossed: Crossed[] = [];
  /** When the line is free again, milliseconds since the epoch. */
  let free = 0;
  const through = async (bytes: number): Promise<void> => {
    if (!Number.isFinite(line.bytesPerSecond)) return;
    free = Math.max(free, Date.now()) + (1000 * bytes) / line.bytesPerSecond;
    const late = free - Date.now();
    if (late > 1) await wait(late);
  };
  const server: Server = createServer((asked, answer) => {
    const askedAt = Date.now();
    const { host } = new URL(target);
    const onward = request(
      new URL(asked.url!, target),
      { method: asked.method!, headers: { ...asked.headers, host } },
      (got) => {
        void wait(line.latencyMs).then(() => {
          answer.writeHead(got.statusCode!, got.headers);
          let bytes = 0;
          const slow = new Transform({
            transform(chunk: Buffer, _encoding, done) {
              void (async () => {
                for (let at = 0; at < chunk.byteLength; at += PIECE) {
                  const piece = chunk.subarray(at, at + PIECE);
                  await through(piece.byteLength);
                  bytes += piece.byteLength;
                  this.push(piece);
                }
              })().then(() => done(), done);
            },
          });
          answer.on('finish', () => crossed.push({ path: asked.url!, bytes, askedAt, doneAt: Date.now() }));
          got.pipe(slow).pipe(answer);
        });
      },
    );
    onward.on('error', () => answer.destroy());
    asked.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    crossed,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
