/** A policy behind `POST /act`, as upstream's vla-scripts/deploy.py. docs/act.md says how it is used. */
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { Hono, type MiddlewareHandler } from 'hono';
import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { isIP, type AddressInfo, type Socket } from 'node:net';
import { HttpError } from '../../server/http-error.ts';
import { ModelError } from '../../src/base/errors.ts';
import { readBody, skipBody } from './read-body.ts';
import { actAnswer, parseActRequest } from './request.ts';
import type { ServedPolicy } from './served-policy.ts';
import { Turns } from './turns.ts';

export interface ActServerOptions {
  /** 0 takes a free one. */
  readonly port: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** What clients send as `Authorization: Bearer …`; has to be there when `host` is not a loopback address. */
  readonly token?: string;
  /** Requests that may wait for the one at work; default 4. */
  readonly waiting?: number;
  /** Largest request; default 64 MiB: one 4K image takes 33. */
  readonly requestBytes?: number;
}

export interface ActServer {
  /** Such as `http://127.0.0.1:8777`. */
  readonly url: string;
  /** Takes no more requests and resolves when those under way are answered. */
  close(): Promise<void>;
}

const REQUEST_BYTES = 64 * 2 ** 20;
const WAITING = 4;
/** How long a request may take to come in. */
const RECEIVE_MS = 30_000;
const CONNECTIONS = 128;
/** How long clients have to read their answers when the server closes. */
const LINGER_MS = 1000;
const LOOK_EVERY_MS = 20;

/** Whether only programs on this machine reach a server that listens there. */
export function isLoopback(host: string): boolean {
  const address = host.replace(/^\[|\]$/g, '').toLowerCase();
  return address === 'localhost' || address === '::1' || (isIP(address) === 4 && address.startsWith('127.'));
}

/** @throws ModelError `bad-input` where it cannot listen there, or would listen beyond this machine without a token */
export async function createActServer(policy: ServedPolicy, options: ActServerOptions): Promise<ActServer> {
  const { host = '127.0.0.1', token, requestBytes = REQUEST_BYTES } = options;
  if (!token && !isLoopback(host))
    throw new ModelError(
      'bad-input',
      `${host} can be reached from other machines, and there is no token.`,
      'Give a --token that clients send as "Authorization: Bearer …", or leave out --host.',
    );
  const turns = new Turns(options.waiting ?? WAITING);
  let closing = false;
  let nextSeed = 0;

  const app = new Hono<{ Bindings: HttpBindings }>();
  app.use(async (c, next) => {
    c.header('Cache-Control', 'no-store');
    c.header('X-Content-Type-Options', 'nosniff');
    await next();
    await skipBody(c.env.incoming, requestBytes).catch(() => {});
    if (closing || !c.env.incoming.readableEnded) c.res.headers.set('Connection', 'close');
  });
  app.use(token ? bearer(token) : namedLocally);
  app.get('/', (c) => c.json(policy.description));
  app.post('/act', jsonOnly, taking(turns), async (c) => {
    const { incoming } = c.env;
    const request = parseActRequest(await readBody(incoming, requestBytes), policy.form);
    const actions = await turns.run(async () => {
      if (incoming.socket.destroyed) throw new ModelError('cancelled', 'The client has gone.');
      return policy.act({ ...request, seed: request.seed ?? nextSeed++ });
    });
    return c.body(actAnswer(request, actions), 200, { 'Content-Type': 'application/json' });
  });
  app.all('/act', (c) => {
    c.header('Allow', 'POST');
    throw new HttpError(405, 'bad-input', `/act is asked by POST, not by ${c.req.method}.`, 'Use POST.');
  });
  app.notFound(() => {
    throw new HttpError(
      404,
      'not-found',
      'There is no such address.',
      'Use POST /act, or GET / to see what is served.',
    );
  });
  app.onError((error, c) => {
    const known = asHttpError(error);
    if (known.status === 503) c.header('Retry-After', '1');
    if (known.status === 401) c.header('WWW-Authenticate', 'Bearer');
    return c.json(known.body, known.status);
  });

  const server = createServer({ requestTimeout: RECEIVE_MS, headersTimeout: RECEIVE_MS / 2 });
  server.maxConnections = CONNECTIONS;
  server.on('clientError', refuseUnreadable);
  const answer = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  server.on('request', (request, response) => void answer(request, response));
  await listen(server, options.port, host);
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    close: async () => {
      closing = true;
      const closed = new Promise((done) => server.close(done));
      while (turns.taken > 0) await new Promise((done) => setTimeout(done, LOOK_EVERY_MS));
      const cut = setTimeout(() => server.closeAllConnections(), LINGER_MS);
      server.closeIdleConnections();
      await closed;
      clearTimeout(cut);
    },
  };
}

/** Of equal length whatever the text, for a comparison in constant time. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function bearer(token: string): MiddlewareHandler {
  const expected = digest(token);
  return async (c, next) => {
    const [, given] = /^Bearer +(\S.*)$/i.exec(c.req.header('authorization') ?? '') ?? [];
    if (given === undefined || !timingSafeEqual(digest(given), expected))
      throw new HttpError(
        401,
        'unauthorized',
        given === undefined ? 'There is no token.' : 'The token is not this server’s.',
        'Send the header "Authorization: Bearer <token>" with the token the server was started with.',
      );
    await next();
  };
}

/** A page whose name was made to point at this machine (DNS rebinding) sends that name. */
const namedLocally: MiddlewareHandler = async (c, next) => {
  const host = c.req.header('host') ?? '';
  const { hostname = '' } = URL.canParse(`http://${host}`) ? new URL(`http://${host}`) : {};
  if (!isLoopback(hostname))
    throw new HttpError(
      403,
      'forbidden',
      `The request is for the host "${host.slice(0, 80)}", and without a token only this machine is served.`,
      'Ask for 127.0.0.1 or localhost, or start the server with --token.',
    );
  await next();
};

/** Pages of other sites may send text unasked, but not JSON: browsers ask the server first, which does not agree. */
const jsonOnly: MiddlewareHandler = async (c, next) => {
  const type = c.req.header('content-type') ?? '';
  if (!/^application\/(.+\+)?json\s*(;|$)/i.test(type))
    throw new HttpError(
      415,
      'unsupported',
      `The content type is "${type.slice(0, 80)}"; application/json is expected.`,
      'Send the header "Content-Type: application/json"; requests.post(url, json=payload) does.',
    );
  await next();
};

/** Before the request is read, so that what is read at a time is bounded, too. */
function taking(turns: Turns): MiddlewareHandler {
  return async (_, next) => {
    const leave = turns.enter();
    try {
      await next();
    } finally {
      leave();
    }
  };
}

function asHttpError(error: Error): HttpError {
  if (error instanceof HttpError) return error;
  if (error instanceof ModelError) {
    const { code, message, hint } = error;
    if (code === 'bad-input' || code === 'missing-statistics' || code === 'cancelled')
      return new HttpError(400, code, message, hint);
    if (code === 'unsupported') return new HttpError(422, code, message, hint);
    return new HttpError(500, code, message, hint);
  }
  console.error(error);
  return new HttpError(500, 'internal', 'The server failed at this.', 'Its console says why.');
}

/** What is not HTTP at all gets a reason, too. */
function refuseUnreadable(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const late = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
  const refusal = late
    ? new HttpError(408, 'bad-input', 'The request did not come in time.', 'Send it at once.')
    : new HttpError(
        400,
        'bad-input',
        'The request is not HTTP that can be read.',
        'Send POST /act with JSON.',
      );
  const body = JSON.stringify(refusal.body);
  socket.end(
    `HTTP/1.1 ${late ? '408 Request Timeout' : '400 Bad Request'}\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

async function listen(server: Server, port: number, host: string): Promise<void> {
  try {
    await new Promise<void>((done, failed) => {
      server.once('error', failed);
      server.listen(port, host, done);
    });
  } catch (error) {
    const taken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
    throw new ModelError(
      'bad-input',
      taken
        ? `Port ${port} of ${host} is taken, perhaps by another copy of this server.`
        : `The server cannot listen on port ${port} of ${host}: ${(error as Error).message}.`,
      'End what uses it, or choose another with --port and --host.',
      { cause: error },
    );
  }
}
