import { Hono, type Context } from 'hono';
import { type AdapterStore, type Seal } from './adapter-store.ts';
import { directRoutes } from './direct-routes.ts';
import type { DirectUploads } from './direct-uploads.ts';
import { HttpError } from './http-error.ts';
import { UPLOAD_ID, type Uploads } from './uploads.ts';

/** Where else than here an adapter can be read; null where it is sent from here. */
export type ReadElsewhere = (sha256: string, seal: Seal) => Promise<string | null>;

interface Parts {
  readonly adapters: AdapterStore;
  readonly uploads: Uploads;
  /** Null unless clients upload straight to a bucket. */
  readonly direct: DirectUploads | null;
  readonly elsewhere: ReadElsewhere;
  readonly clientOf: (c: Context) => string;
}

/** `/api/adapters`: bytes by their hash, tus uploads under `/uploads`, and under `/direct` those that go straight to a bucket. */
export function adapterRoutes({ adapters, uploads, direct, elsewhere, clientOf }: Parts): Hono {
  const app = new Hono();
  if (direct) app.route('/direct', directRoutes(direct, clientOf));

  app.post('/uploads', (c) => uploads.begin(c.req.raw, clientOf(c)));
  // Hono answers HEAD by the route of GET; reading what is not checked yet is not offered.
  app.get('/uploads/:id', (c) => {
    if (c.req.method !== 'HEAD') throw notFound('address');
    return uploads.head(c.req.raw, uploadId(c));
  });
  app.patch('/uploads/:id', (c) => {
    const id = uploadId(c);
    return uploads.patch(c.req.raw, id);
  });
  app.delete('/uploads/:id', async (c) => {
    await uploads.cancel(uploadId(c));
    return new Response(null, { status: 204, headers: { 'Tus-Resumable': '1.0.0' } });
  });

  app.get('/:sha256', async (c) => {
    const sha256 = c.req.param('sha256');
    const seal = /^[0-9a-f]{64}$/.test(sha256) ? await adapters.find(sha256) : null;
    if (seal === null) throw notFound('adapter');
    const address = c.req.method === 'GET' ? await elsewhere(sha256, seal) : null;
    // Addresses expire, and adapters can move.
    if (address !== null) return c.body(null, 302, { Location: address, 'Cache-Control': 'no-store' });
    return sendAdapter(c, adapters, sha256, seal);
  });
  return app;
}

async function sendAdapter(
  c: Context,
  adapters: AdapterStore,
  sha256: string,
  seal: Seal,
): Promise<Response> {
  const etag = `"${sha256}"`;
  const headers: Record<string, string> = {
    'Content-Type': 'application/octet-stream',
    'Content-Disposition': `attachment; filename="${sha256}.safetensors"`,
    ETag: etag,
    'Accept-Ranges': 'bytes',
    'Cache-Control': 'public, max-age=31536000, immutable',
  };
  if (c.req.header('if-none-match') === etag) return new Response(null, { status: 304, headers });
  const range = requestedRange(c, etag, seal.bytes);
  if (range === 'none') {
    throw new HttpError(
      416,
      'bad-input',
      `The adapter has ${seal.bytes} bytes; nothing of it is in that range.`,
    );
  }
  const { start, end } = range ?? { start: 0, end: seal.bytes };
  if (range) headers['Content-Range'] = `bytes ${start}-${end - 1}/${seal.bytes}`;
  headers['Content-Length'] = String(end - start);
  const status = range ? 206 : 200;
  if (c.req.method === 'HEAD') return new Response(null, { status, headers });
  const chunks = readChunks(adapters, sha256, seal, start, end);
  // The first block is read before anything is said, so that a damaged adapter is a plain 404.
  const first = await chunks.next();
  if (first.done) throw notFound('adapter');
  return new Response(byteStream(first.value, chunks), { status, headers });
}

/** Bytes `start` … `end` block by block; ends at once when the first one is damaged, throws at later ones. */
async function* readChunks(
  adapters: AdapterStore,
  sha256: string,
  seal: Seal,
  start: number,
  end: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
  const { blockBytes } = seal;
  const firstIndex = Math.floor(start / blockBytes);
  for (let index = firstIndex; index * blockBytes < end; index++) {
    const block = await adapters.readBlock(sha256, seal, index);
    if (block === null && index === firstIndex) return;
    if (block === null) throw new Error(`Block ${index} of the adapter ${sha256} is damaged.`);
    yield block.subarray(Math.max(0, start - index * blockBytes), end - index * blockBytes);
  }
}

/** One block in memory at a time, read when the client has taken the one before it. */
function byteStream(
  first: Uint8Array<ArrayBuffer>,
  rest: AsyncGenerator<Uint8Array<ArrayBuffer>, void>,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let ready: Uint8Array<ArrayBuffer> | null = first;
  return new ReadableStream(
    {
      pull: async (controller) => {
        const next = ready ? { done: false, value: ready } : await rest.next();
        ready = null;
        if (next.value) controller.enqueue(next.value);
        else controller.close();
      },
      cancel: async () => {
        await rest.return();
      },
    },
    { highWaterMark: 0 },
  );
}

/** The one range asked for, end exclusive; null for the whole, also when several are asked for; 'none' when it holds no byte. */
function requestedRange(
  c: Context,
  etag: string,
  bytes: number,
): { start: number; end: number } | null | 'none' {
  const condition = c.req.header('if-range');
  const match = /^bytes=(\d*)-(\d*)$/.exec(c.req.header('range') ?? '');
  if (!match || (condition !== undefined && condition !== etag)) return null;
  const [, from = '', to = ''] = match;
  if (from === '' && to === '') return null;
  const start = from === '' ? Math.max(0, bytes - Number(to)) : Number(from);
  const end = from === '' || to === '' ? bytes : Math.min(bytes, Number(to) + 1);
  return start < end ? { start, end } : 'none';
}

function uploadId(c: Context): string {
  const id = c.req.param('id') ?? '';
  if (!UPLOAD_ID.test(id)) throw notFound('upload');
  return id;
}

function notFound(what: string): HttpError {
  return new HttpError(404, 'not-found', `There is no such ${what} here.`);
}
