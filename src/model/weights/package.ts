/** Opens a package by URL: from this device if it is here, else by downloading what is missing. */
import { ModelError } from '../../base/errors.ts';
import { downloadFile, fetchText, type Fetch } from './download.ts';
import { MAX_MANIFEST_BYTES, parseManifest, type Manifest, type PackageFile } from './manifest.ts';
import { sha256Hex } from '../../base/sha256.ts';
import { checkHash, PackageReader } from './package-reader.ts';
import { storageFull, type ShardStore } from './shard-store.ts';

export const MANIFEST = 'manifest.json';
/** Says where a stored package came from: its folder's name does not. */
export const SOURCE = 'source.txt';

export type ShardState = 'waiting' | 'stored' | 'downloading' | 'verifying' | 'refetching' | 'done';

export interface ShardProgress {
  readonly name: string;
  readonly loaded: number;
  readonly total: number;
  readonly state: ShardState;
}

export interface PackageOptions {
  readonly store: ShardStore;
  readonly signal?: AbortSignal;
  readonly fetch?: Fetch;
  /** Hears of every file, in order, whenever one of them changes. */
  readonly onProgress?: (files: readonly ShardProgress[]) => void;
}

export interface PackageInspection {
  readonly manifest: Manifest;
  /** SHA-256 of the manifest: names the package. */
  readonly hash: string;
  /** Bytes of its files that are on this device. */
  readonly storedBytes: number;
  /** True when nothing has to be fetched. */
  readonly stored: boolean;
}

/** Reads the manifest: the stored one when the package is complete here, else the server's. Fetches nothing more. */
export async function inspectPackage(url: string, options: PackageOptions): Promise<PackageInspection> {
  const { manifest, text } = await readManifest(url, options);
  const pack = await packageKey(url);
  let storedBytes = 0;
  let stored = true;
  for (const { path, byteLength } of filesOf(manifest)) {
    const here = Math.min(byteLength, await options.store.byteLength(pack, path));
    storedBytes += here;
    stored &&= here === byteLength;
  }
  return { manifest, hash: await sha256Hex(text), storedBytes, stored };
}

/**
 * Downloads what is missing, then gives a reader that checks each file's hash as it reads it. A damaged file is fetched once more;
 * if that one is damaged too, reading fails with `hash-mismatch`.
 *
 * @throws ModelError `download-failed` (what came stays and is resumed), `storage-full`, `cancelled`, or as `parseManifest`
 */
export async function openPackage(url: string, options: PackageOptions): Promise<PackageReader> {
  const { store } = options;
  const pack = await packageKey(url);
  const open = async () => {
    const { manifest, text } = await readManifest(url, options);
    await dropOtherVersion(store, pack, manifest, text);
    const files = filesOf(manifest);
    const progress = new Progress(files, options.onProgress);
    const download = async (file: PackageFile, state: ShardState) => {
      progress.set(file.path, { state });
      try {
        await downloadFile(new URL(file.path, url).href, file, store, pack, {
          ...options,
          onBytes: (loaded) => progress.set(file.path, { loaded }),
        });
      } catch (error) {
        if (!(error instanceof ModelError) || error.code !== 'storage-full') throw error;
        throw storageFull(file.path, error, await missingBytes(store, pack, manifest));
      }
    };
    for (const file of files) {
      const here = await store.byteLength(pack, file.path);
      progress.set(file.path, {
        loaded: Math.min(here, file.byteLength),
        state: here === file.byteLength ? 'stored' : 'waiting',
      });
    }
    await store.write(pack, MANIFEST, text);
    await store.write(pack, SOURCE, new TextEncoder().encode(url));
    for (const file of files) {
      if ((await store.byteLength(pack, file.path)) !== file.byteLength) await download(file, 'downloading');
    }

    const readChecked = async (path: string) => {
      const file = files.find((candidate) => candidate.path === path)!;
      progress.set(path, { state: 'verifying' });
      const bytes = await store.read(pack, path);
      await checkHash(path, bytes, file.sha256);
      progress.set(path, { state: 'done', loaded: file.byteLength });
      return bytes;
    };
    return new PackageReader(manifest, async (path) => {
      try {
        return await readChecked(path);
      } catch (error) {
        if (!(error instanceof ModelError) || error.code !== 'hash-mismatch') throw error;
        return store.exclusively(
          pack,
          async () => {
            await store.remove(pack, path);
            await download(
              files.find((file) => file.path === path)!,
              'refetching',
            );
            try {
              return await readChecked(path);
            } catch (again) {
              // Nobody should find the damaged copy and take it for a stored one.
              await store.remove(pack, path);
              throw again;
            }
          },
          options.signal,
        );
      }
    });
  };
  return store.exclusively(pack, open, options.signal);
}

async function missingBytes(store: ShardStore, pack: string, manifest: Manifest): Promise<number> {
  let missing = 0;
  for (const { path, byteLength } of filesOf(manifest))
    missing += Math.max(0, byteLength - (await store.byteLength(pack, path)));
  return missing;
}

/** What is on this device, whole or in part. */
export interface StoredPackage {
  readonly key: string;
  /** Where it was fetched from; null for one that was stored before this was written down. */
  readonly url: string | null;
  readonly name: string;
  /** SHA-256 of the manifest, hex. */
  readonly hash: string;
  readonly byteLength: number;
  /** All files are here in full length. */
  readonly complete: boolean;
}

export async function storedPackages(store: ShardStore): Promise<StoredPackage[]> {
  const found: StoredPackage[] = [];
  for (const key of await store.packages()) {
    if ((await store.byteLength(key, MANIFEST)) === 0) continue;
    const text = await store.read(key, MANIFEST);
    let manifest: Manifest;
    try {
      manifest = parseManifest(new TextDecoder().decode(text));
    } catch (error) {
      if (error instanceof ModelError) continue;
      throw error;
    }
    let byteLength = text.byteLength;
    let complete = true;
    for (const file of filesOf(manifest)) {
      const here = await store.byteLength(key, file.path);
      byteLength += here;
      complete &&= here === file.byteLength;
    }
    const hasSource = (await store.byteLength(key, SOURCE)) > 0;
    const url = hasSource ? new TextDecoder().decode(await store.read(key, SOURCE)) : null;
    found.push({ key, url, name: manifest.name, hash: await sha256Hex(text), byteLength, complete });
  }
  return found;
}

/** Reads a stored package and compares every hash. @returns paths of files that are damaged or missing */
export async function checkStored(
  key: string,
  store: ShardStore,
  onProgress: (done: number, total: number) => void = () => undefined,
): Promise<string[]> {
  const manifest = parseManifest(new TextDecoder().decode(await store.read(key, MANIFEST)));
  const files = filesOf(manifest);
  const damaged: string[] = [];
  for (const [done, { path, byteLength, sha256 }] of files.entries()) {
    onProgress(done, files.length);
    const whole = (await store.byteLength(key, path)) === byteLength;
    if (!whole || (await sha256Hex(await store.read(key, path))) !== sha256) damaged.push(path);
  }
  onProgress(files.length, files.length);
  return damaged;
}

export async function removeStored(key: string, store: ShardStore): Promise<void> {
  await store.exclusively(key, () => store.removePackage(key));
}

const bytesOf = async (blob: Blob) => new Uint8Array(await blob.arrayBuffer());

/**
 * Keeps a package that lies in a folder, every file checked against its hash first.
 * @param files by path, as in the folder with manifest.json
 * @returns the address it is opened by from then on
 * @throws ModelError `bad-package` for a folder that is none, `hash-mismatch`, `storage-full`; what was stored before stays
 */
export async function storeFolder(
  files: ReadonlyMap<string, Blob>,
  store: ShardStore,
  onProgress: (done: number, total: number) => void = () => undefined,
): Promise<string> {
  const found = files.get(MANIFEST);
  if (!found || found.size > MAX_MANIFEST_BYTES) {
    throw new ModelError(
      'bad-package',
      `The folder has no ${MANIFEST} of a policy package; it has ${[...files.keys()].slice(0, 5).join(', ') || 'nothing'}.`,
      'Choose the folder that `npm run convert` wrote.',
    );
  }
  const text = await bytesOf(found);
  const manifest = parseManifest(new TextDecoder().decode(text));
  const url = `package:${await sha256Hex(text)}`;
  const pack = await packageKey(url);
  const wanted = filesOf(manifest);
  for (const { path, byteLength } of wanted) {
    const size = files.get(path)?.size;
    if (size === byteLength) continue;
    throw new ModelError(
      'bad-package',
      `${path} has ${size ?? 'no'} bytes in the folder; the manifest gives ${byteLength}.`,
      'Copy the whole folder again.',
    );
  }
  await store.exclusively(pack, async () => {
    for (const [done, { path, sha256 }] of wanted.entries()) {
      onProgress(done, wanted.length);
      const bytes = await bytesOf(files.get(path)!);
      await checkHash(path, bytes, sha256);
      await store.write(pack, path, bytes);
    }
    await store.write(pack, SOURCE, new TextEncoder().encode(url));
    // Last: a package without a manifest is none.
    await store.write(pack, MANIFEST, text);
  });
  onProgress(wanted.length, wanted.length);
  return url;
}

/** Deletes everything stored of a package. */
export async function removePackage(url: string, store: ShardStore): Promise<void> {
  const pack = await packageKey(url);
  await store.exclusively(pack, () => store.removePackage(pack));
}

/** The folder of a package: its URL, hashed, so that any URL is a valid name. */
export async function packageKey(url: string): Promise<string> {
  return (await sha256Hex(new TextEncoder().encode(url))).slice(0, 32);
}

const filesOf = (manifest: Manifest): readonly PackageFile[] => [manifest.tokenizer, ...manifest.shards];

async function readManifest(
  url: string,
  options: PackageOptions,
): Promise<{ manifest: Manifest; text: Uint8Array<ArrayBuffer> }> {
  const stored = await storedManifest(url, options.store);
  if (stored) return stored;
  refuseMadeElsewhere(url);
  const text = await fetchText(url, MAX_MANIFEST_BYTES, options);
  try {
    return { manifest: parseManifest(new TextDecoder().decode(text)), text };
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    throw new ModelError(error.code, `${url}: ${error.message}`, error.hint, { cause: error });
  }
}

/** Packages that were made or handed over on a device have addresses that lead nowhere else. */
function refuseMadeElsewhere(url: string): void {
  const scheme = /^(package|checkpoint):/.exec(url)?.[1];
  if (scheme === undefined) return;
  const from = new URLSearchParams(url.slice(url.indexOf('?') + 1)).get('from');
  throw new ModelError(
    'bad-package',
    scheme === 'package'
      ? 'This package came from a folder, and is not on this device.'
      : `The package made of ${from ?? 'a checkpoint'} is not on this device, or not whole.`,
    scheme === 'package'
      ? 'Add its folder under "Policies on this device".'
      : 'Convert the checkpoint here: give its address under "Use another policy".',
  );
}

/** The stored manifest, if all its files are here in full length. */
async function storedManifest(url: string, store: ShardStore) {
  const pack = await packageKey(url);
  if ((await store.byteLength(pack, MANIFEST)) === 0) return null;
  try {
    const text = await store.read(pack, MANIFEST);
    const manifest = parseManifest(new TextDecoder().decode(text));
    for (const { path, byteLength } of filesOf(manifest)) {
      if ((await store.byteLength(pack, path)) !== byteLength) return null;
    }
    return { manifest, text };
  } catch (error) {
    // A manifest that was cut short while it was written: the server's takes its place.
    if (error instanceof ModelError) return null;
    throw error;
  }
}

/** Files left by another version of the package under the same URL are of no use; equal files stay. */
async function dropOtherVersion(
  store: ShardStore,
  pack: string,
  manifest: Manifest,
  text: Uint8Array<ArrayBuffer>,
): Promise<void> {
  if ((await store.byteLength(pack, MANIFEST)) === 0) return;
  const before = await store.read(pack, MANIFEST);
  if ((await sha256Hex(before)) === (await sha256Hex(text))) return;
  let old: Manifest | null = null;
  try {
    old = parseManifest(new TextDecoder().decode(before));
  } catch {
    // Unreadable: nothing under it can be trusted.
  }
  const kept = new Set(
    filesOf(manifest)
      .filter(
        ({ path, sha256 }) =>
          old && filesOf(old).some((file) => file.path === path && file.sha256 === sha256),
      )
      .map(({ path }) => path),
  );
  for (const { path } of [...(old ? filesOf(old) : []), ...filesOf(manifest)]) {
    if (!kept.has(path)) await store.remove(pack, path);
  }
}

class Progress {
  readonly #files: Map<string, ShardProgress>;
  readonly #report: PackageOptions['onProgress'];

  constructor(files: readonly PackageFile[], report: PackageOptions['onProgress']) {
    this.#files = new Map(
      files.map(({ path, byteLength }) => [
        path,
        { name: path, loaded: 0, total: byteLength, state: 'waiting' as const },
      ]),
    );
    this.#report = report;
  }

  set(path: string, change: Partial<ShardProgress>): void {
    this.#files.set(path, { ...this.#files.get(path)!, ...change });
    this.#report?.([...this.#files.values()]);
  }
}
