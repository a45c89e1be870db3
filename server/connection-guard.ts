import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Limits } from './options.ts';

const LOOK_EVERY_MS = 500;
/** How often a server that is closing looks for connections that are done. */
const CLOSING_LOOK_MS = 50;
/** How long requests that are still coming in may take once the server closes. An upload goes on elsewhere where it stopped. */
const RECEIVE_MS = 5_000;
/**
 * Behind an answer of more than this a connection stays open for `lingerMs`: the end of it may lie in the buffers of two machines, and clients
 * that read slowly take a connection that ends as an answer that was cut (undici 6 and 7, `onHttpSocketEnd`; fetch says `terminated`).
 */
const SMALL_BYTES = 2 ** 16;

interface Connection {
  readonly address: string;
  /** Requests whose answer is not handed to the client's machine yet. */
  readonly active: Set<IncomingMessage>;
  /** Bytes the client's side has taken, and since when it has taken no more of those that wait. */
  sentBytes: number;
  stalledSince: number;
  /** When its last answer was handed to the client's machine. */
  doneAt: number;
  /** Until when the client may still read that. */
  lingersUntil: number;
}

type GuardLimits = Pick<
  Limits,
  'connections' | 'clientConnections' | 'bufferedBytes' | 'writeIdleMs' | 'lingerMs'
>;

/**
 * Keeps the connections of a server few enough to serve. A client that takes nothing of its answer is cut after `writeIdleMs`; when more than
 * `bufferedBytes` wait in all, who has taken nothing for longest is cut first; an address has `clientConnections` at most, where addresses
 * are those of clients and not of a proxy.
 *
 * What waits is what Node holds for a socket. An answer counts as taken piece by piece, and a piece (`BLOCK_BYTES` of an adapter,
 * 64 KiB of a file) that takes longer than `writeIdleMs` counts as a stall: so readers of some bytes a minute are cut too.
 */
export class ConnectionGuard {
  readonly #server: Server;
  readonly #limits: GuardLimits;
  readonly #connections = new Map<Socket, Connection>();
  #looking: NodeJS.Timeout;
  #closingSince: number | null = null;

  /** @param proxied whether all connections come from a proxy, so that their addresses say nothing */
  constructor(server: Server, limits: GuardLimits, proxied: boolean) {
    this.#server = server;
    this.#limits = limits;
    server.headersTimeout = 15_000;
    // The end of an answer may be read long after it was sent.
    server.keepAliveTimeout = limits.lingerMs;
    server.on('connection', (socket: Socket) => this.#admit(socket, proxied));
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      const connection = this.#connections.get(request.socket);
      if (connection === undefined) return;
      const before = request.socket.bytesWritten;
      connection.active.add(request);
      response.once('close', () => {
        connection.active.delete(request);
        connection.doneAt = Date.now();
        if (request.socket.bytesWritten - before > SMALL_BYTES)
          connection.lingersUntil = Date.now() + limits.lingerMs;
      });
    });
    this.#looking = this.#lookEvery(LOOK_EVERY_MS);
  }

  /** Bytes that wait for clients to take them. */
  get bufferedBytes(): number {
    let bytes = 0;
    for (const socket of this.#connections.keys()) bytes += socket.writableLength;
    return bytes;
  }

  /** Whether the server is closing: connections end with the answers that are under way. */
  get closing(): boolean {
    return this.#closingSince !== null;
  }

  /** Cuts who has taken nothing for too long, and for longest while too much waits. */
  look(now = Date.now()): void {
    let bytes = 0;
    const stalled: { socket: Socket; since: number }[] = [];
    for (const [socket, connection] of this.#connections) {
      const waiting = socket.writableLength;
      const sentBytes = socket.bytesWritten - waiting;
      if (waiting === 0 || sentBytes !== connection.sentBytes) connection.stalledSince = now;
      connection.sentBytes = sentBytes;
      bytes += waiting;
      const stalledMs = now - connection.stalledSince;
      if (stalledMs > this.#limits.writeIdleMs) cut(socket);
      else if (stalledMs > 0) stalled.push({ socket, since: connection.stalledSince });
      if (this.#closingSince !== null) this.#closeWhenDone(socket, connection, now);
    }
    for (const { socket } of stalled.toSorted((a, b) => a.since - b.since)) {
      if (bytes <= this.#limits.bufferedBytes) break;
      bytes -= socket.writableLength;
      cut(socket);
    }
  }

  /**
   * Takes no more connections, and resolves when all are done. An answer that is being read is never cut; who reads nothing is,
   * after `writeIdleMs`. `lingerMs` bounds how long connections are kept whose answers have been sent.
   */
  async close(lingerMs = this.#limits.lingerMs): Promise<void> {
    this.#closingSince = Date.now();
    for (const connection of this.#connections.values())
      connection.lingersUntil = Math.min(connection.lingersUntil, this.#closingSince + lingerMs);
    clearInterval(this.#looking);
    this.#looking = this.#lookEvery(CLOSING_LOOK_MS);
    // Node's own counts a connection as idle when its answer is written but not sent, and cuts it (Node 20 to 24).
    this.#server.closeIdleConnections = () => this.look();
    await new Promise((done) => this.#server.close(done));
    clearInterval(this.#looking);
  }

  #admit(socket: Socket, proxied: boolean): void {
    const address = socket.remoteAddress ?? '';
    const full = this.#connections.size >= this.#limits.connections && !this.#closeIdlest();
    if (full || (!proxied && this.#countOf(address) >= this.#limits.clientConnections)) {
      socket.destroy();
      return;
    }
    const now = Date.now();
    const connection = { address, active: new Set<IncomingMessage>(), sentBytes: 0 };
    this.#connections.set(socket, { ...connection, stalledSince: now, doneAt: now, lingersUntil: 0 });
    socket.once('close', () => this.#connections.delete(socket));
  }

  /** Makes room by closing the connection on which nothing has been going on for longest; false when all are at work. */
  #closeIdlest(): boolean {
    const idle = [...this.#connections].filter(([, { active }]) => active.size === 0);
    const [idlest] = idle.toSorted(([, a], [, b]) => a.doneAt - b.doneAt);
    if (idlest === undefined) return false;
    this.#connections.delete(idlest[0]);
    idlest[0].destroySoon();
    return true;
  }

  #countOf(address: string): number {
    let count = 0;
    for (const connection of this.#connections.values()) if (connection.address === address) count++;
    return count;
  }

  #closeWhenDone(socket: Socket, { active, lingersUntil }: Connection, now: number): void {
    const receivingMs = now - (this.#closingSince ?? now);
    if (active.size === 0 && socket.writableLength === 0 && now > lingersUntil) socket.destroySoon();
    else if (receivingMs > RECEIVE_MS && [...active].some((request) => !request.complete)) socket.destroy();
  }

  #lookEvery(ms: number): NodeJS.Timeout {
    return setInterval(() => this.look(), ms).unref();
  }
}

/** With a reset: what waits in the kernel for a client that does not read would stay there for minutes. */
function cut(socket: Socket): void {
  socket.resetAndDestroy();
}
