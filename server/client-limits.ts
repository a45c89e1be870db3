import type { HttpBindings } from '@hono/node-server';
import { getConnInfo } from '@hono/node-server/conninfo';
import type { Context, MiddlewareHandler } from 'hono';
import { MemoryStore, rateLimiter } from 'hono-rate-limiter';
import { isIPv6 } from 'node:net';
import { HttpError } from './http-error.ts';

const READS = ['GET', 'HEAD', 'OPTIONS'];

/** Refuses a client's requests over so many a minute, reads and writes counted apart. `stop` ends its timers. */
export function clientLimits(
  limits: { readonly readsPerMinute: number; readonly writesPerMinute: number },
  clientOf: (c: Context) => string,
): { middleware: MiddlewareHandler[]; stop: () => void } {
  const stores = [new MemoryStore(), new MemoryStore()];
  const limiter = (store: MemoryStore, limit: number, counts: (method: string) => boolean) =>
    rateLimiter({
      windowMs: 60_000,
      limit,
      store,
      skip: (c: Context) => !counts(c.req.method),
      keyGenerator: clientOf,
      handler: () => {
        throw new HttpError(
          429,
          'too-many-requests',
          `More than ${limit} requests came from this address within a minute.`,
          'Wait a minute.',
        );
      },
    });
  return {
    middleware: [
      limiter(stores[0]!, limits.readsPerMinute, (method) => READS.includes(method)),
      limiter(stores[1]!, limits.writesPerMinute, (method) => !READS.includes(method)),
    ],
    stop: () => stores.forEach((store) => store.shutdown()),
  };
}

/** Refuses a client's requests while so many answers to it are under way, which a proxy does not count by client. */
export function answersUnderWay(limit: number, clientOf: (c: Context) => string): MiddlewareHandler {
  const counts = new Map<string, number>();
  return async (c, next) => {
    const client = clientOf(c);
    const count = counts.get(client) ?? 0;
    if (count >= limit) {
      c.header('Retry-After', '5');
      throw new HttpError(
        429,
        'too-many-requests',
        `${limit} answers to this address are under way.`,
        'Wait until some of them have arrived.',
      );
    }
    counts.set(client, count + 1);
    (c.env as HttpBindings).outgoing.once('close', () => {
      const left = counts.get(client)! - 1;
      if (left > 0) counts.set(client, left);
      else counts.delete(client);
    });
    await next();
  };
}

/** Refuses writes that another site's page makes in a visitor's browser. Programs send neither header and may write. */
export const sameOriginWrites: MiddlewareHandler = async (c, next) => {
  if (!READS.includes(c.req.method)) {
    const site = c.req.header('sec-fetch-site');
    const origin = c.req.header('origin');
    const allowed = site
      ? ['same-origin', 'none'].includes(site)
      : !origin || hostOf(origin) === c.req.header('host');
    if (!allowed) throw new HttpError(403, 'forbidden', 'Another site cannot write here.');
  }
  await next();
};

/**
 * Whose requests are counted together: an address, or for IPv6 the /64 that one household gets. Each trusted proxy has put the address it
 * was called from at the end of X-Forwarded-For; what stands before those is the client's own claim.
 */
export function clientAddress(c: Context, trustedProxies: number): string {
  const socket = getConnInfo(c).remote.address ?? '';
  const forwarded = (c.req.header('x-forwarded-for') ?? '').split(',').map((address) => address.trim());
  const address = trustedProxies > 0 ? forwarded.at(-trustedProxies) || socket : socket;
  return isIPv6(address) && !address.startsWith('::ffff:') ? networkOf(address) : address;
}

function networkOf(address: string): string {
  const halves = address.split('::').map((half) => half.split(':').filter((group) => group !== ''));
  const left = halves[0] ?? [];
  const right = halves[1] ?? [];
  const gap = Array.from({ length: 8 - left.length - right.length }, () => '0');
  return [...left, ...gap, ...right].slice(0, 4).join(':');
}

function hostOf(origin: string): string | null {
  return URL.canParse(origin) ? new URL(origin).host : null;
}
