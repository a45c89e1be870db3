import type { IncomingMessage } from 'node:http';
import { HttpError } from '../../server/http-error.ts';

/** Beyond so many times what is allowed a request is cut instead of read to its end. */
const PATIENCE = 4;

/**
 * The bytes of a request. One that is too large is read to its end all the same and thrown away: most clients send all before they look for
 * an answer, and would see a broken connection instead of the reason.
 * @throws HttpError 413 for more than `most` bytes, 400 where the client stops in the middle
 */
export async function readBody(incoming: IncomingMessage, most: number): Promise<Uint8Array> {
  let chunks: Uint8Array[] = [];
  const length = await pull(incoming, most * PATIENCE, (chunk, sofar) => {
    if (sofar <= most) chunks.push(chunk);
    else chunks = [];
  });
  if (length <= most) return Buffer.concat(chunks);
  throw new HttpError(
    413,
    'too-large',
    `The request has more than ${Math.floor(most / 2 ** 20)} MiB.`,
    'Send smaller images; the policy sees them at a few hundred pixels.',
  );
}

/** Reads what is left of a request that is refused before it was read. */
export async function skipBody(incoming: IncomingMessage, most: number): Promise<void> {
  if (!incoming.readableEnded && !incoming.destroyed) await pull(incoming, most * PATIENCE, () => {});
}

/** @returns bytes seen, all of them unless there are more than `most` */
function pull(
  incoming: IncomingMessage,
  most: number,
  take: (chunk: Uint8Array, sofar: number) => void,
): Promise<number> {
  return new Promise((done, failed) => {
    let sofar = 0;
    const stop = (): void => {
      incoming.pause();
      incoming.off('data', onData);
      done(sofar);
    };
    const onData = (chunk: Uint8Array): void => {
      sofar += chunk.length;
      take(chunk, sofar);
      if (sofar > most) stop();
    };
    const cut = () => failed(new HttpError(400, 'cancelled', 'The request was cut.'));
    incoming.on('data', onData).once('end', stop).once('error', cut).once('close', cut);
  });
}
