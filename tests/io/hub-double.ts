/** A double of the Hugging Face Hub: lists files in pages, redirects files to signed addresses of another host that expire. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { listen } from './quirky-host.ts';

/** A file that is too large to be held; its SHA-256 is made up where none is given. */
export interface DiskFile {
  readonly path: string;
  readonly byteLength: number;
  readonly sha256: string;
}
export type HubContent = Uint8Array<ArrayBuffer> | DiskFile;

export interface HubDoubleOptions {
  /** Files are refused without this token. */
  readonly token?: string;
  /** Requests that a signed address answers before it has expired. */
  readonly uses?: number;
  /** Files on a page of the listing. */
  readonly pageSize?: number;
  /** Files of at least this size are in LFS, and have a SHA-256. */
  readonly lfsBytes?: number;
  /** What happens to an answer of the storage host; may change at any time. */
  readonly mishap?: (asked: ServedRange) => Mishap | null;
}

/** Bytes [from, to) of a file that were asked for. */
export interface ServedRange {
  readonly path: string;
  readonly from: number;
  readonly to: number;
}

export type Mishap =
  /** The connection breaks after that many bytes. */
  | { readonly kind: 'cut'; readonly after: number }
  | { readonly kind: 'status'; readonly status: number; readonly retryAfter?: string }
  /** One byte comes turned over. */
  | { readonly kind: 'flipped'; readonly at: number }
  /** Nothing comes until then. */
  | { readonly kind: 'held'; readonly until: Promise<void> };

export interface HubDouble {
  readonly url: string;
  /** `METHOD path`, with ` token` where one was sent. */
  readonly hubRequests: string[];
  readonly storageRequests: string[];
  /** What the storage host was asked for and has answered, in order. */
  readonly served: ServedRange[];
  close(): Promise<void>;
}

const CORS = {
  'access-control-allow-origin': '*',
  'access-control-allow-headers': '*',
  'access-control-expose-headers': 'Content-Range, Link, X-Request-Id, ETag',
};

const sizeOf = (content: HubContent): number => content.byteLength;

function hashOf(content: HubContent): string {
  return content instanceof Uint8Array ? createHash('sha256').update(content).digest('hex') : content.sha256;
}

/** What every branch and tag names. */
export const COMMIT = 'c0'.repeat(20);

/** @param repos files by `datasets/owner/name` or `owner/name` */
export async function hubDouble(
  repos: Readonly<Record<string, ReadonlyMap<string, HubContent>>>,
  { token, uses = 3, pageSize = 4, lfsBytes = 1000, mishap = () => null }: HubDoubleOptions = {},
): Promise<HubDouble> {
  const signed = new Map<string, { path: string; content: HubContent; left: number }>();
  const hubRequests: string[] = [];
  const storageRequests: string[] = [];
  const served: ServedRange[] = [];

  const storage = createServer((request, response): void => {
    storageRequests.push(`${request.method} ${request.url}${request.headers.authorization ? ' token' : ''}`);
    if (request.method === 'OPTIONS') {
      response.writeHead(204, CORS).end();
      return;
    }
    const found = signed.get(request.url!);
    if (!found || found.left-- <= 0) {
      response.writeHead(403, CORS).end('expired');
      return;
    }
    const total = sizeOf(found.content);
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
    const asked: ServedRange = {
      path: found.path,
      from: range ? Number(range[1]) : 0,
      to: range ? Math.min(total, Number(range[2]) + 1) : total,
    };
    const trouble = mishap(asked);
    if (trouble?.kind === 'status') {
      const { status, retryAfter } = trouble;
      response.writeHead(status, { ...CORS, ...(retryAfter ? { 'retry-after': retryAfter } : {}) }).end();
      return;
    }
    served.push(asked);
    const headers = {
      'content-length': asked.to - asked.from,
      ...(range ? { 'content-range': `bytes ${asked.from}-${asked.to - 1}/${total}` } : {}),
    };
    response.writeHead(range ? 206 : 200, { ...CORS, ...headers });
    void send(response, found.content, asked, trouble);
  });
  const storageUrl = await listen(storage);

  const hub = createServer((request, response): void => {
    const authorised = request.headers.authorization === `Bearer ${token}`;
    hubRequests.push(`${request.method} ${request.url}${request.headers.authorization ? ' token' : ''}`);
    if (request.method === 'OPTIONS') {
      response.writeHead(204, CORS).end();
      return;
    }
    if (token && !authorised) {
      response.writeHead(401, CORS).end('{"error":"gated"}');
      return;
    }
    const url = new URL(request.url!, 'http://hub');
    const info = /^\/api\/(datasets|models)\/([^/]+\/[^/]+)\/revision\/[^/]+$/.exec(url.pathname);
    if (info) {
      const there = repos[`${info[1] === 'datasets' ? 'datasets/' : ''}${info[2]}`];
      response
        .writeHead(there ? 200 : 404, { ...CORS, 'content-type': 'application/json' })
        .end(JSON.stringify(there ? { id: info[2], sha: COMMIT } : { error: 'not found' }));
      return;
    }
    const listing = /^\/api\/(datasets|models)\/([^/]+\/[^/]+)\/tree\/([^/]+)(?:\/(.*))?$/.exec(url.pathname);
    if (listing) {
      const files = repos[`${listing[1] === 'datasets' ? 'datasets/' : ''}${listing[2]}`];
      if (!files) {
        response.writeHead(404, CORS).end('{"error":"not found"}');
        return;
      }
      const inside = listing[4] ? `${decodeURIComponent(listing[4])}/` : '';
      const all = [...files].filter(([path]) => path.startsWith(inside));
      const start = Number(url.searchParams.get('cursor') ?? 0);
      const page = all
        .slice(start, start + pageSize)
        .map(([path, content]) => listed(path, content, lfsBytes));
      url.searchParams.set('cursor', String(start + pageSize));
      const more = start + pageSize < all.length;
      const link = more
        ? { link: `<${url.pathname}${url.search}>; rel="next"`.replace('<', `<${hubUrl.slice(0, -1)}`) }
        : {};
      response
        .writeHead(200, { ...CORS, 'content-type': 'application/json', ...link })
        .end(JSON.stringify(page));
      return;
    }
    const file = /^\/(datasets\/)?([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(url.pathname);
    const path = file && decodeURIComponent(file[4]!);
    const content = file && repos[`${file[1] ?? ''}${file[2]}`]?.get(path!);
    if (!content) {
      response.writeHead(404, CORS).end('Entry not found');
      return;
    }
    const address = `/signed-${signed.size}?signature=secret`;
    signed.set(address, { path: path!, content, left: uses });
    response.writeHead(302, { ...CORS, location: storageUrl + address.slice(1) }).end();
  });
  const hubUrl = await listen(hub);
  return {
    url: hubUrl.slice(0, -1),
    hubRequests,
    storageRequests,
    served,
    close: async () => {
      for (const server of [hub, storage]) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };
}

function listed(path: string, content: HubContent, lfsBytes: number): object {
  const size = sizeOf(content);
  const lfs = { oid: size >= lfsBytes ? hashOf(content) : '', size, pointerSize: 130 };
  return { type: 'file', path, size, oid: 'git', ...(size >= lfsBytes ? { lfs } : {}) };
}

async function send(
  response: ServerResponse,
  content: HubContent,
  { from, to }: ServedRange,
  trouble: Exclude<Mishap, { kind: 'status' }> | null,
): Promise<void> {
  if (trouble?.kind === 'held') await trouble.until;
  if (!(content instanceof Uint8Array)) {
    createReadStream(content.path, { start: from, end: to - 1, highWaterMark: 2 ** 20 }).pipe(response);
    return;
  }
  const bytes = content.slice(from, to);
  if (trouble?.kind === 'flipped') bytes[trouble.at % bytes.length]! ^= 1;
  if (trouble?.kind !== 'cut') {
    response.end(bytes);
    return;
  }
  response.write(bytes.subarray(0, trouble.after), () => response.destroy());
}
