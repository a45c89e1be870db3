import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Limits } from './options.ts';

const LOOK_EVERY_MS = 500;
/** How often a server that is closing looks for connections that are done. */
const CLOSING_LOOK_MS = 50;
/** How long requests that are still coming in may take once the server closes. An upload goes on elsewhere where it stopped. */
const RECEIVE_MS = 5_000;

interface Connection {
  readonly address: string;
  /** Requests whose answer is not handed to the client's machine yet. */
  readonly active: Set<IncomingMessage>;
  /** Bytes the client's side has taken, and since when it has taken no more of those that wait. */
  sentBytes: number;
  stalledSince: number;
}

type GuardLimits = Pick<Limits, 'connections' | 'clientConnections' | 'bufferedBytes' | 'writeIdleMs'>;

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
    server.maxConnections = limits.connections;
    server.headersTimeout = 15_000;
    server.on('connection', (socket: Socket) => this.#admit(socket, proxied));
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      const { active } = this.#connections.get(request.socket) ?? {};
      active?.add(request);
      response.once('close', () => active?.delete(request));
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
      if (stalledMs > this.#limits.writeIdleMs) socket.destroy();
      else if (stalledMs > 0) stalled.push({ socket, since: connection.stalledSince });
      if (this.#closingSince !== null) this.#closeWhenDone(socket, connection, now - this.#closingSince);
    }
    for (const { socket } of stalled.toSorted((a, b) => a.since - b.since)) {
      if (bytes <= this.#limits.bufferedBytes) break;
      bytes -= socket.writableLength;
      socket.destroy();
    }
  }

  /**
   * Takes no more connections, and resolves when all are done. An answer that is being read is never cut; who reads nothing is,
   * after `writeIdleMs`.
   */
  async close(): Promise<void> {
    this.#closingSince = Date.now();
    clearInterval(this.#looking);
    this.#looking = this.#lookEvery(CLOSING_LOOK_MS);
    // Node's own counts a connection as idle when its answer is written but not sent, and cuts it (Node 20 to 24).
    this.#server.closeIdleConnections = () => this.look();
    await new Promise((done) => this.#server.close(done));
    clearInterval(this.#looking);
  }

  #admit(socket: Socket, proxied: boolean): void {
    const address = socket.remoteAddress ?? '';
    if (!proxied && this.#countOf(address) >= this.#limits.clientConnections) {
      socket.destroy();
      return;
    }
    this.#connections.set(socket, { address, active: new Set(), sentBytes: 0, stalledSince: Date.now() });
    socket.once('close', () => this.#connections.delete(socket));
  }

  #countOf(address: string): number {
    let count = 0;
    for (const connection of this.#connections.values()) if (connection.address === address) count++;
    return count;
  }

  #closeWhenDone(socket: Socket, { active }: Connection, closingMs: number): void {
    if (active.size === 0 && socket.writableLength === 0) socket.destroySoon();
    else if (closingMs > RECEIVE_MS && [...active].some((request) => !request.complete)) socket.destroy();
  }

  #lookEvery(ms: number): NodeJS.Timeout {
    return setInterval(() => this.look(), ms).unref();
  }
}
