import {
  checkStored,
  removePackage,
  removeStored,
  storedPackages,
  storeFolder,
} from '../../model/weights/package.ts';
import type { ShardStore } from '../../model/weights/shard-store.ts';
import type { PackagesApi, StoredPackage } from '../boundary/contract.ts';

/** Policy packages on this device. */
export class PackagesHost implements PackagesApi {
  readonly #store: ShardStore;

  constructor(store: ShardStore) {
    this.#store = store;
  }

  list(): Promise<StoredPackage[]> {
    return storedPackages(this.#store);
  }

  check(key: string, onProgress: (done: number, total: number) => void): Promise<string[]> {
    return checkStored(key, this.#store, onProgress);
  }

  remove(key: string): Promise<void> {
    return removeStored(key, this.#store);
  }

  removeUrl(url: string): Promise<void> {
    return removePackage(url, this.#store);
  }

  storeFolder(
    files: readonly { path: string; file: File }[],
    onProgress: (done: number, total: number) => void,
  ): Promise<string> {
    // The folder's own name comes first in every path.
    const inside = files.map(({ path, file }) => [path.slice(path.indexOf('/') + 1), file] as const);
    return storeFolder(new Map(inside), this.#store, onProgress);
  }
}
