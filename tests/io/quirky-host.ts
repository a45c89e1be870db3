/** A web server with the habits that real hosts have, for tests. Listens on the loopback address. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';

export interface Habits {
  /** Compresses whatever the client accepts compressed, ranges or not, and tells the compressed length. */
  readonly gzip?: boolean;
  readonly refusesHead?: boolean;
  readonly ignoresRanges?: boolean;
  /** Answers this often with this status before it behaves. */
  readonly busy?: { times: number; readonly status: 429 | 503; readonly retryAfter?: string };
  /** Closes the connection this often instead of answering. */
  readonly breaks?: { times: number };
  /** Breaks the connection this often after so many bytes of an answer that is longer. */
  readonly cuts?: { times: number; readonly after: number };
  /** Answers what it does not have with its own page. */
  readonly spa?: boolean;
  /** Lets other pages read it, as public hosts do, Content-Range included. */
  readonly cors?: boolean;
  /** Refuses everything with this status. */
  readonly status?: number;
  /** Answers with these headers, too; asked anew each time, so that a file can be replaced. */
  readonly headers?: () => Record<string, string>;
}

const CORS = {
  'access-control-allow-origin': '*',
  'access-control-allow-headers': '*',
  'access-control-expose-headers': 'Content-Range',
};

export interface Host {
  readonly url: string;
  readonly requests: string[];
  /** Bytes of bodies sent. */
  sent(): number;
  close(): Promise<void>;
}

export async function quirkyHost(
  files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>,
  habits: Habits = {},
): Promise<Host> {
  let sent = 0;
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url} ${request.headers.range ?? ''}`.trim());
    response.on('pipe', () => undefined);
    answer(request, response, files, habits, (bytes) => (sent += bytes));
  });
  const url = await listen(server);
  return {
    url,
    requests,
    sent: () => sent,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export function listen(server: Server): Promise<string> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () =>
      resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`),
    );
  });
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>,
  habits: Habits,
  count: (bytes: number) => void,
): void {
  const end = (status: number, headers: Record<string, string | number>, body?: Uint8Array | string) => {
    if (body && request.method !== 'HEAD') count(body.length);
    if (habits.cuts && body && body.length > habits.cuts.after && habits.cuts.times-- > 0) {
      response.writeHead(status, { ...habits.headers?.(), ...headers, 'content-length': body.length });
      response.write(body.slice(0, habits.cuts.after), () => response.destroy());
      return;
    }
    response
      .writeHead(status, { ...(habits.cors ? CORS : {}), ...habits.headers?.(), ...headers })
      .end(request.method === 'HEAD' ? undefined : body);
  };
  if (habits.breaks && habits.breaks.times-- > 0) return void request.socket.destroy();
  if (habits.status) return end(habits.status, {});
  if (habits.busy && habits.busy.times-- > 0) {
    const { status, retryAfter } = habits.busy;
    return end(status, retryAfter === undefined ? {} : { 'retry-after': retryAfter });
  }
  if (request.method === 'OPTIONS') return end(204, {});
  if (habits.refusesHead && request.method === 'HEAD') return end(405, {});
  const bytes = files.get(decodeURIComponent(new URL(request.url!, 'http://host').pathname).slice(1));
  if (!bytes) {
    return habits.spa
      ? end(200, { 'content-type': 'text/html' }, '<!doctype html><title>App')
      : end(404, {}, 'no');
  }
  sendFile(request, bytes, habits, end);
}

/** As a static host: whole or a range, compressed where that is its habit and the client accepts it. */
function sendFile(
  request: IncomingMessage,
  bytes: Uint8Array<ArrayBuffer>,
  habits: Habits,
  end: (status: number, headers: Record<string, string | number>, body?: Uint8Array) => void,
): void {
  const range = habits.ignoresRanges ? null : /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
  if (habits.gzip && /gzip/.test(String(request.headers['accept-encoding'])) && !range) {
    const packed = gzipSync(bytes);
    return end(200, { 'content-encoding': 'gzip', 'content-length': packed.length }, packed);
  }
  if (!range) return end(200, { 'content-length': bytes.length }, bytes);
  const [from, to] = [Number(range[1]), Math.min(bytes.length - 1, Number(range[2]))];
  if (from >= bytes.length) return end(416, { 'content-range': `bytes */${bytes.length}` });
  end(206, { 'content-range': `bytes ${from}-${to}/${bytes.length}` }, bytes.subarray(from, to + 1));
}
