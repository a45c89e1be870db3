/** A double of the Hugging Face Hub: lists files in pages, redirects files to signed addresses of another host that expire. */
import { createServer } from 'node:http';
import { createHash } from 'node:crypto';
import { listen } from './quirky-host.ts';

export interface HubDoubleOptions {
  /** Files are refused without this token. */
  readonly token?: string;
  /** Requests that a signed address answers before it has expired. */
  readonly uses?: number;
  /** Files on a page of the listing. */
  readonly pageSize?: number;
  /** Files of at least this size are in LFS, and have a SHA-256. */
  readonly lfsBytes?: number;
}

export interface HubDouble {
  readonly url: string;
  /** `METHOD path`, with ` token` where one was sent. */
  readonly hubRequests: string[];
  readonly storageRequests: string[];
  close(): Promise<void>;
}

/** @param repos files by `datasets/owner/name` or `owner/name` */
export async function hubDouble(
  repos: Readonly<Record<string, ReadonlyMap<string, Uint8Array<ArrayBuffer>>>>,
  { token, uses = 3, pageSize = 4, lfsBytes = 1000 }: HubDoubleOptions = {},
): Promise<HubDouble> {
  const signed = new Map<string, { bytes: Uint8Array<ArrayBuffer>; left: number }>();
  const hubRequests: string[] = [];
  const storageRequests: string[] = [];
  const cors = {
    'access-control-allow-origin': '*',
    'access-control-allow-headers': '*',
    'access-control-expose-headers': 'Content-Range, Link, X-Request-Id, ETag',
  };

  const storage = createServer((request, response): void => {
    storageRequests.push(`${request.method} ${request.url}${request.headers.authorization ? ' token' : ''}`);
    if (request.method === 'OPTIONS') {
      response.writeHead(204, cors).end();
      return;
    }
    const found = signed.get(request.url!);
    if (!found || found.left-- <= 0) {
      response.writeHead(403, cors).end('expired');
      return;
    }
    const { bytes } = found;
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
    const [from, to] = range
      ? [Number(range[1]), Math.min(bytes.length - 1, Number(range[2]))]
      : [0, bytes.length - 1];
    const headers = range ? { 'content-range': `bytes ${from}-${to}/${bytes.length}` } : {};
    response.writeHead(range ? 206 : 200, { ...cors, ...headers }).end(bytes.subarray(from, to + 1));
  });
  const storageUrl = await listen(storage);

  const hub = createServer((request, response): void => {
    const authorised = request.headers.authorization === `Bearer ${token}`;
    hubRequests.push(`${request.method} ${request.url}${request.headers.authorization ? ' token' : ''}`);
    if (request.method === 'OPTIONS') {
      response.writeHead(204, cors).end();
      return;
    }
    if (token && !authorised) {
      response.writeHead(401, cors).end('{"error":"gated"}');
      return;
    }
    const url = new URL(request.url!, 'http://hub');
    const listing = /^\/api\/(datasets|models)\/([^/]+\/[^/]+)\/tree\/([^/]+)(?:\/(.*))?$/.exec(url.pathname);
    if (listing) {
      const files = repos[`${listing[1] === 'datasets' ? 'datasets/' : ''}${listing[2]}`];
      if (!files) {
        response.writeHead(404, cors).end('{"error":"not found"}');
        return;
      }
      const inside = listing[4] ? `${decodeURIComponent(listing[4])}/` : '';
      const all = [...files].filter(([path]) => path.startsWith(inside));
      const start = Number(url.searchParams.get('cursor') ?? 0);
      const page = all.slice(start, start + pageSize).map(([path, bytes]) => ({
        type: 'file',
        path,
        size: bytes.length,
        oid: 'git',
        ...(bytes.length >= lfsBytes
          ? {
              lfs: {
                oid: createHash('sha256').update(bytes).digest('hex'),
                size: bytes.length,
                pointerSize: 130,
              },
            }
          : {}),
      }));
      url.searchParams.set('cursor', String(start + pageSize));
      const more = start + pageSize < all.length;
      const link = more
        ? { link: `<${url.pathname}${url.search}>; rel="next"`.replace('<', `<${hubUrl.slice(0, -1)}`) }
        : {};
      {
        response
          .writeHead(200, { ...cors, 'content-type': 'application/json', ...link })
          .end(JSON.stringify(page));
        return;
      }
    }
    const file = /^\/(datasets\/)?([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(url.pathname);
    const bytes = file && repos[`${file[1] ?? ''}${file[2]}`]?.get(decodeURIComponent(file[4]!));
    if (!bytes) {
      response.writeHead(404, cors).end('Entry not found');
      return;
    }
    const path = `/signed-${signed.size}?signature=secret`;
    signed.set(path, { bytes, left: uses });
    response.writeHead(302, { ...cors, location: storageUrl + path.slice(1) }).end();
  });
  const hubUrl = await listen(hub);
  return {
    url: hubUrl.slice(0, -1),
    hubRequests,
    storageRequests,
    close: async () => {
      for (const server of [hub, storage]) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };
}
