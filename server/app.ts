/** The share server: the built page, and an API that keeps shares and their adapters. docs/server.md says how it is run. */
import { getRequestListener } from '@hono/node-server';
import { Hono, type Context } from 'hono';
import { createServer as createHttpServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { ModelError } from '../src/base/errors.ts';
import { SHARE_FORMAT_VERSION } from '../src/share/share-manifest.ts';
import { adapterRoutes } from './adapter-routes.ts';
import { AdapterStore } from './adapter-store.ts';
import { removeUnfinished } from './atomic-folder.ts';
import { answersUnderWay, clientAddress, clientLimits, sameOriginWrites } from './client-limits.ts';
import { ClientTags } from './client-tags.ts';
import { ConnectionGuard } from './connection-guard.ts';
import { readableAnywhere, securityHeaders } from './headers.ts';
import { DirectUploads } from './direct-uploads.ts';
import { HttpError } from './http-error.ts';
import { KeyedLock } from './keyed-lock.ts';
import { Lease } from './lease.ts';
import { DEFAULT_LIMITS, type Limits, type ServerOptions } from './options.ts';
import { page } from './page.ts';
import { readElsewhere } from './read-elsewhere.ts';
import type { S3Options } from './s3-client.ts';
import type { S3Multipart } from './s3-multipart.ts';
import { shareRoutes } from './share-routes.ts';
import { ShareStore } from './share-store.ts';
import { openStorage } from './storage.ts';
import { diskFull } from './upload-folder.ts';
import { Uploads } from './uploads.ts';

const SWEEP_EVERY_MS = 3_600_000;
const LOOK_AT_UPLOADS_EVERY_MS = 30_000;
/** How often the limits hear what other processes have stored. */
const COUNT_EVERY_MS = 300_000;
/** How long a sweep whose process died keeps others from theirs. */
const SWEEP_LEASE_MS = 60_000;

export interface RunningServer {
  /** Such as `http://127.0.0.1:5173`. */
  readonly url: string;
  /** Removes what has expired; runs by itself every hour. False when another process is at it. */
  sweep(): Promise<boolean>;
  /** Bytes that wait in this process for clients to take them. */
  bufferedBytes(): number;
  /** Answers what is under way for as long as it is read, then stops. `lingerMs`: see `ConnectionGuard.close`. */
  close(lingerMs?: number): Promise<void>;
}

/**
 * Starts a server; port 0 takes a free one. Several can run on one bucket (`s3`), in one process or in many, each with a data folder of its
 * own. A folder is for one: two would not see each other's locks.
 */
export async function createServer(
  options: ServerOptions & { readonly port: number; readonly host?: string },
): Promise<RunningServer> {
  const limits: Limits = { ...DEFAULT_LIMITS, ...options.limits };
  const files = join(resolve(options.dataFolder), 'files');
  const { driver, options: driverOptions } = options.storage ?? { driver: 'fs', options: { base: files } };
  const storage = await openStorage(driver, driverOptions);
  const locks = new KeyedLock();
  const adapters = await AdapterStore.open(storage);
  const tags = await ClientTags.open(storage);
  const shares = await ShareStore.open(storage, adapters, locks, limits);
  const uploads = await Uploads.open(join(resolve(options.dataFolder), 'uploads'), {
    adapters,
    locks,
    limits,
    tags,
  });
  const { bucket, direct } = await openBucket(options, { storage, adapters, locks, limits, tags });
  const clientOf = (c: Context) => clientAddress(c, options.trustedProxies ?? 0);
  const counted = clientLimits(limits, clientOf);

  const api = new Hono();
  api.use(sameOriginWrites, ...counted.middleware);
  api.get('/health', (c) => {
    const { adapterBytes } = limits;
    return c.json({ shares: SHARE_FORMAT_VERSION, adapterBytes, directUploads: direct !== null });
  });
  api.use('/adapters/*', readableAnywhere);
  api.use('/shares/*', readableAnywhere);
  const elsewhere = readElsewhere(options.adapterReads, bucket);
  api.route('/adapters', adapterRoutes({ adapters, uploads, direct, elsewhere, clientOf }));
  api.route(
    '/shares',
    shareRoutes(shares, (c) => tags.tagOf(clientOf(c))),
  );
  api.all('*', () => {
    throw new HttpError(404, 'not-found', 'The API has no such address.');
  });

  const app = new Hono();
  app.use(securityHeaders, answersUnderWay(limits.clientConnections, clientOf), async (c, next) => {
    await next();
    if (guard.closing) c.res.headers.set('Connection', 'close');
  });
  app.route('/api', api);
  app.route('/', page(resolve(options.dist)));
  app.notFound((c) => c.text('There is no such page.', 404));
  app.onError((error, c) => {
    const known = asHttpError(error);
    c.header('Cache-Control', 'no-store');
    return c.json(known.body, known.status);
  });

  const lease = new Lease(storage, 'server:sweep', SWEEP_LEASE_MS);
  let swept = true;
  const sweep = async (): Promise<boolean> => {
    await uploads.sweep();
    if (driver === 'fs') await removeUnfinished(String(driverOptions['base']), SWEEP_EVERY_MS);
    swept = await lease.hold(async (signal) => {
      await direct?.sweep(signal);
      await shares.sweep(limits.uploadExpiryMs, signal);
    });
    if (!swept) await shares.count();
    return swept;
  };

  const host = options.host ?? '127.0.0.1';
  const server = createHttpServer();
  const guard = new ConnectionGuard(server, limits, (options.trustedProxies ?? 0) > 0);
  await listen(server, app, options.port, host);
  const looking = setInterval(() => {
    uploads.removeEmpty().catch((error: unknown) => console.error('uploads:', error));
    // Another was at it, and may have died.
    if (!swept) sweep().catch((error: unknown) => console.error('sweep:', error));
  }, LOOK_AT_UPLOADS_EVERY_MS);
  looking.unref();
  const counting = setInterval(() => {
    if (driver !== 'fs') shares.count().catch((error: unknown) => console.error('count:', error));
  }, COUNT_EVERY_MS);
  counting.unref();
  const sweeping = setInterval(() => {
    sweep().catch((error: unknown) => console.error('sweep:', error));
  }, SWEEP_EVERY_MS);
  sweeping.unref();
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    sweep,
    bufferedBytes: () => guard.bufferedBytes,
    close: async (lingerMs) => {
      clearInterval(sweeping);
      clearInterval(looking);
      clearInterval(counting);
      counted.stop();
      await guard.close(lingerMs);
      bucket?.dispose();
      await storage.dispose();
    },
  };
}

type BucketParts = Omit<ConstructorParameters<typeof DirectUploads>[0], 'bucket'>;

/** What a bucket can do for clients by itself, where it is to. */
async function openBucket(
  { storage, directUploads = false, adapterReads = 'server' }: ServerOptions,
  parts: BucketParts,
): Promise<{ bucket: S3Multipart | null; direct: DirectUploads | null }> {
  if (storage?.driver !== 's3' || (!directUploads && adapterReads === 'server'))
    return { bucket: null, direct: null };
  // The client of AWS is large; a server over a folder does without it.
  const { S3Multipart } = await import('./s3-multipart.ts');
  const bucket = new S3Multipart(storage.options as unknown as S3Options);
  return { bucket, direct: directUploads ? new DirectUploads({ ...parts, bucket }) : null };
}

function asHttpError(error: Error): HttpError {
  if (error instanceof HttpError) return error;
  if (error instanceof ModelError) return new HttpError(400, error.code, error.message, error.hint);
  const full = diskFull(error);
  if (full) return full;
  console.error(error);
  return new HttpError(500, 'internal', 'The server failed at this.', 'Try again later.');
}

/** @throws ModelError `bad-input` where it cannot listen there, as when the port is taken */
async function listen(server: Server, app: Hono, port: number, host: string): Promise<void> {
  const answer = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  server.on('request', (request, response) => void answer(request, response));
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
      'End what uses it, or choose another with the environment variables PORT and HOST: PORT=8080 npm start.',
      { cause: error },
    );
  }
}
