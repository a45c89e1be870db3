/** Where records lie: unstorage over a folder, a bucket, or any other of its drivers. */
import { createHash } from 'node:crypto';
import { builtinDrivers, createStorage, type BuiltinDriverName, type Driver, type Storage } from 'unstorage';
import { atomicFolder } from './atomic-folder.ts';
import type { S3Options } from './s3-client.ts';

/**
 * Opens the storage of that name: `fs` (a folder; options: `base`), `s3` (any S3-compatible bucket), or an unstorage driver by its name
 * with that driver's options. Whatever it is, one `setItemRaw` has to be atomic, and `getKeys` complete.
 */
export async function openStorage(name: string, options: Record<string, unknown>): Promise<Storage> {
  return createStorage({ driver: await openDriver(name, options) });
}

async function openDriver(name: string, options: Record<string, unknown>): Promise<Driver> {
  if (name === 'fs') return atomicFolder(String(options['base']));
  if (name === 's3') {
    // The client of AWS is large; a server over a folder does without it.
    const { s3Bucket } = await import('./s3-bucket.ts');
    return s3Bucket(options as unknown as S3Options);
  }
  if (!Object.hasOwn(builtinDrivers, name)) throw new Error(`There is no storage driver "${name}".`);
  const path = builtinDrivers[name as BuiltinDriverName];
  const module = (await import(path)) as { default: (options: Record<string, unknown>) => Driver };
  return module.default(options);
}

/** A part of a value, which our own drivers read without the rest: an option of `getItemRaw`. */
export interface Range {
  readonly offset: number;
  readonly length: number;
}

/** How our own drivers read a value: options of `getItemRaw`. */
export interface ReadOptions {
  readonly range?: Range;
  /** Gives a `Versioned`; drivers without versions give bytes all the same. */
  readonly versioned?: boolean;
}

/** How our own drivers put a value: options of `setItemRaw`. */
export interface PutOptions {
  /** Only where there is nothing under the key. */
  readonly ifAbsent?: boolean;
  /** Only in the place of this version. Of our drivers the bucket alone knows this one. */
  readonly ifVersion?: string;
}

/** How a bucket removes a value: an option of `removeItem`. */
export interface RemoveOptions {
  readonly ifVersion?: string;
}

/** A value, and what tells it from every other that was ever under its key: a bucket's ETag. */
export interface Versioned {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly version: string;
}

/**
 * Puts a value where there is none, and says whether it did. Of several processes on one bucket or folder one does. Drivers of unstorage, which
 * know no conditions, overwrite.
 */
export async function putIfAbsent(storage: Storage, key: string, value: Uint8Array): Promise<boolean> {
  try {
    await storage.setItemRaw(key, value, { ifAbsent: true } satisfies PutOptions);
    return true;
  } catch (error) {
    if (!isTaken(error)) throw error;
    return isThere(storage, key, value);
  }
}

/** A value and its version; null when there is none. Where the driver has no versions, the value's hash is one. */
export async function readVersioned(storage: Storage, key: string): Promise<Versioned | null> {
  const found: unknown = await storage.getItemRaw(key, { versioned: true } satisfies ReadOptions);
  if (isVersioned(found)) return found;
  const bytes = asBytes(found, key);
  return bytes && { bytes, version: hashVersion(bytes) };
}

/**
 * Puts a value in the place of the version that was read, and says whether it did. Of several processes on one bucket one does. Other drivers
 * know no versions: there the value is read again first, which is enough for the one process that they are for.
 */
export async function replaceIf(
  storage: Storage,
  key: string,
  value: Uint8Array,
  version: string,
): Promise<boolean> {
  if (!(await isSame(storage, key, version))) return false;
  try {
    await storage.setItemRaw(key, value, conditionOf(version));
    return true;
  } catch (error) {
    if (!isTaken(error)) throw error;
    return isThere(storage, key, value);
  }
}

/** Removes a value if it is still the version that was read. */
export async function removeIf(storage: Storage, key: string, version: string): Promise<void> {
  if (!(await isSame(storage, key, version))) return;
  try {
    await storage.removeItem(key, conditionOf(version));
  } catch (error) {
    if (!isTaken(error)) throw error;
  }
}

const HASHED = 'sha256:';

function hashVersion(bytes: Uint8Array): string {
  return HASHED + createHash('sha256').update(bytes).digest('hex');
}

function conditionOf(version: string): { ifVersion?: string } {
  return version.startsWith(HASHED) ? {} : { ifVersion: version };
}

async function isSame(storage: Storage, key: string, version: string): Promise<boolean> {
  return !version.startsWith(HASHED) || (await readVersioned(storage, key))?.version === version;
}

/** Whether a refused put is there: a client that hears no answer puts again, and meets what it had put. */
async function isThere(storage: Storage, key: string, value: Uint8Array): Promise<boolean> {
  const found = await readBytes(storage, key);
  return found !== null && Buffer.from(found).equals(value);
}

function isVersioned(value: unknown): value is Versioned {
  return typeof value === 'object' && value !== null && 'version' in value && 'bytes' in value;
}

/** Whether a put was refused because there is a value already: by a folder, or by a bucket (404: the version was removed; 409: another
 * put of it is under way). */
function isTaken(error: unknown): boolean {
  const { code, $metadata } = error as { code?: string; $metadata?: { httpStatusCode?: number } };
  return code === 'EEXIST' || [404, 409, 412].includes($metadata?.httpStatusCode ?? 0);
}

/** The bytes under a key; null when there are none. */
export function readBytes(storage: Storage, key: string): Promise<Uint8Array<ArrayBuffer> | null> {
  return read(storage, key, {});
}

/** A part of the bytes under a key, shorter where the value ends; null when there are none. */
export async function readRange(
  storage: Storage,
  key: string,
  range: Range,
): Promise<Uint8Array<ArrayBuffer> | null> {
  const bytes = await read(storage, key, { range });
  // A driver that knows no ranges gave everything.
  if (bytes === null || bytes.length <= range.length) return bytes;
  return bytes.slice(range.offset, range.offset + range.length);
}

async function read(
  storage: Storage,
  key: string,
  options: ReadOptions,
): Promise<Uint8Array<ArrayBuffer> | null> {
  return asBytes(await storage.getItemRaw(key, options), key);
}

/** Drivers give bytes as various types. */
function asBytes(value: unknown, key: string): Uint8Array<ArrayBuffer> | null {
  if (value === null || value === undefined) return null;
  if (typeof value === 'string') return new TextEncoder().encode(value);
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (value instanceof Uint8Array) return value as Uint8Array<ArrayBuffer>;
  throw new Error(`The storage gave ${typeof value} under "${key}".`);
}

/** The JSON under a key; null when there is none, or what is there is no JSON. */
export async function readJson(storage: Storage, key: string): Promise<unknown> {
  const bytes = await readBytes(storage, key);
  return bytes && parseJson(bytes);
}

/** JSON in bytes; null when they are none. */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return null;
  }
}

/** Writes a record as JSON, in one atomic put. */
export async function writeJson(storage: Storage, key: string, value: unknown): Promise<void> {
  await storage.setItemRaw(key, jsonBytes(value));
}

export function jsonBytes(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value));
}

/** The part of a key after its last colon. */
export function lastPart(key: string): string {
  return key.slice(key.lastIndexOf(':') + 1);
}
