/** What can be set, with its defaults. docs/server.md lists the environment variables. */
import { ModelError } from '../src/base/errors.ts';

export interface Limits {
  /** Largest adapter. */
  readonly adapterBytes: number;
  /** All adapters together, finished or not. */
  readonly storedBytes: number;
  /** Bytes that have come of all unfinished uploads together. */
  readonly unfinishedBytes: number;
  readonly unfinishedUploads: number;
  /** Unfinished uploads of one client. */
  readonly clientUploads: number;
  /** How long an unfinished upload can be resumed, and how long an adapter without a share is kept. */
  readonly uploadExpiryMs: number;
  /** How long an upload is kept of which no byte has come. */
  readonly emptyUploadExpiryMs: number;
  /** Shares in all, and of one client. */
  readonly shares: number;
  readonly clientShares: number;
  /** Bytes of all manifests together. */
  readonly sharesBytes: number;
  /** Bytes of the adapters and manifests that one client brought. */
  readonly clientBytes: number;
  /** How long a share is kept. */
  readonly shareAgeMs: number;
  /** Connections in all, and of one client; answers under way to one client behind a proxy. */
  readonly connections: number;
  readonly clientConnections: number;
  /** Bytes that wait in this process for clients to take them. */
  readonly bufferedBytes: number;
  /** How long a client may take nothing of an answer before the connection is cut. */
  readonly writeIdleMs: number;
  /** How long a connection is kept after a large answer was sent, whose end may not be read yet. */
  readonly lingerMs: number;
  /** Requests to the API per client address and minute. */
  readonly readsPerMinute: number;
  readonly writesPerMinute: number;
}

export const DEFAULT_LIMITS: Limits = {
  adapterBytes: 512 * 2 ** 20,
  storedBytes: 50 * 2 ** 30,
  unfinishedBytes: 4 * 2 ** 30,
  unfinishedUploads: 1000,
  clientUploads: 16,
  uploadExpiryMs: 24 * 3_600_000,
  emptyUploadExpiryMs: 5 * 60_000,
  shares: 100_000,
  clientShares: 500,
  sharesBytes: 2 ** 30,
  clientBytes: 5 * 2 ** 30,
  shareAgeMs: 365 * 86_400_000,
  connections: 2000,
  clientConnections: 256,
  bufferedBytes: 64 * 2 ** 20,
  writeIdleMs: 60_000,
  lingerMs: 30_000,
  readsPerMinute: 600,
  writesPerMinute: 120,
};

export interface ServerOptions {
  /** The built page. */
  readonly dist: string;
  /** Unfinished uploads, and with the `fs` storage everything else. */
  readonly dataFolder: string;
  /** Name and options of the storage driver; `fs` in `dataFolder` when left out. */
  readonly storage?: { readonly driver: string; readonly options: Record<string, unknown> };
  readonly limits?: Partial<Limits>;
  /** Browsers send adapters to the bucket by themselves. Only with the `s3` storage. */
  readonly directUploads?: boolean;
  /**
   * Where adapters are read: from this server; from the bucket, by signed addresses; or from an address under which a content network
   * serves the bucket's objects.
   */
  readonly adapterReads?: 'server' | 'bucket' | URL;
  /** How many proxies stand before the server and add to X-Forwarded-For; 0 takes the socket's address. */
  readonly trustedProxies?: number;
}

/** Reads the environment. @throws ModelError `bad-input` naming a variable that cannot be read */
export function optionsFromEnvironment(
  env: Readonly<Record<string, string | undefined>>,
): ServerOptions & { readonly port: number; readonly host: string } {
  const dataFolder = env['DATA_DIR'] ?? '.data';
  const driver = env['STORAGE'] ?? 'fs';
  const limits = Object.fromEntries(
    Object.entries(LIMIT_VARIABLES).map(([limit, { name, factor }]) => [
      limit,
      numberFrom(env, name, DEFAULT_LIMITS[limit as keyof Limits] / factor) * factor,
    ]),
  ) as unknown as Limits;
  return {
    port: numberFrom(env, 'PORT', 5173),
    host: env['HOST'] ?? '127.0.0.1',
    dist: env['DIST_DIR'] ?? 'dist',
    dataFolder,
    ...(driver === 'fs' ? {} : { storage: { driver, options: objectFrom(env, 'STORAGE_OPTIONS') } }),
    limits,
    ...bucketOptions(env, driver),
    trustedProxies: numberFrom(env, 'TRUST_PROXY', 0),
  };
}

const SETTINGS = 'docs/server.md lists the settings.';
const MIB = 2 ** 20;
const LIMIT_VARIABLES: Record<keyof Limits, { name: string; factor: number }> = {
  adapterBytes: { name: 'MAX_ADAPTER_MB', factor: MIB },
  storedBytes: { name: 'MAX_STORED_MB', factor: MIB },
  unfinishedBytes: { name: 'MAX_UNFINISHED_MB', factor: MIB },
  unfinishedUploads: { name: 'MAX_UNFINISHED_UPLOADS', factor: 1 },
  clientUploads: { name: 'MAX_CLIENT_UPLOADS', factor: 1 },
  uploadExpiryMs: { name: 'UPLOAD_EXPIRY_HOURS', factor: 3_600_000 },
  emptyUploadExpiryMs: { name: 'EMPTY_UPLOAD_EXPIRY_MINUTES', factor: 60_000 },
  shares: { name: 'MAX_SHARES', factor: 1 },
  clientShares: { name: 'MAX_CLIENT_SHARES', factor: 1 },
  sharesBytes: { name: 'MAX_SHARES_MB', factor: MIB },
  clientBytes: { name: 'MAX_CLIENT_MB', factor: MIB },
  shareAgeMs: { name: 'SHARE_AGE_DAYS', factor: 86_400_000 },
  connections: { name: 'MAX_CONNECTIONS', factor: 1 },
  clientConnections: { name: 'MAX_CLIENT_CONNECTIONS', factor: 1 },
  bufferedBytes: { name: 'MAX_BUFFERED_MB', factor: MIB },
  writeIdleMs: { name: 'WRITE_IDLE_SECONDS', factor: 1000 },
  lingerMs: { name: 'LINGER_SECONDS', factor: 1000 },
  readsPerMinute: { name: 'READS_PER_MINUTE', factor: 1 },
  writesPerMinute: { name: 'WRITES_PER_MINUTE', factor: 1 },
};

/** @throws ModelError without a bucket, or if browsers could not reach it from an https page */
function bucketOptions(
  env: Readonly<Record<string, string | undefined>>,
  driver: string,
): Pick<ServerOptions, 'directUploads' | 'adapterReads'> {
  const directUploads = numberFrom(env, 'DIRECT_UPLOADS', 0) > 0;
  const reads = env['ADAPTER_READS'] || 'server';
  if (driver !== 's3' && (directUploads || reads !== 'server')) {
    throw new ModelError(
      'bad-input',
      'DIRECT_UPLOADS and ADAPTER_READS are for adapters in a bucket: STORAGE=s3.',
      SETTINGS,
    );
  }
  if (reads === 'server' || reads === 'bucket') return { directUploads, adapterReads: reads };
  const url = URL.canParse(reads) ? new URL(reads) : null;
  // What the page's Content-Security-Policy lets it fetch.
  const local = ['localhost', '127.0.0.1'].includes(url?.hostname ?? '');
  if (url === null || (url.protocol !== 'https:' && !(url.protocol === 'http:' && local))) {
    throw new ModelError(
      'bad-input',
      `ADAPTER_READS is "${reads}"; it has to be server, bucket, or an address that begins with https://.`,
      SETTINGS,
    );
  }
  return { directUploads, adapterReads: url };
}

function numberFrom(
  env: Readonly<Record<string, string | undefined>>,
  name: string,
  otherwise: number,
): number {
  const text = env[name];
  if (text === undefined || text === '') return otherwise;
  const value = Number(text);
  if (Number.isFinite(value) && value >= 0) return value;
  throw new ModelError('bad-input', `${name} is "${text}"; it has to be a number, 0 or more.`, SETTINGS);
}

function objectFrom(
  env: Readonly<Record<string, string | undefined>>,
  name: string,
): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(env[name] ?? '{}');
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>;
  } catch {
    // Reported below, like JSON of another kind. The text is not repeated: it holds keys.
  }
  throw new ModelError(
    'bad-input',
    `${name} has to be a JSON object: the options of the storage driver.`,
    SETTINGS,
  );
}
