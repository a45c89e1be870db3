import type { Driver } from 'unstorage';
import type { PutOptions, ReadOptions, RemoveOptions, Versioned } from '../../server/storage.ts';

const refused = () => Object.assign(new Error('refused'), { $metadata: { httpStatusCode: 412 } });

/** A driver in memory that keeps conditions as a bucket does; `before` is awaited before each request. */
export function versionedMemory(before: () => Promise<void> = () => Promise.resolve()): Driver {
  const values = new Map<string, Versioned>();
  let versions = 0;
  return {
    hasItem: async (key) => (await before(), values.has(key)),
    getItem: async (key) => (await before(), new TextDecoder().decode(values.get(key)?.bytes)),
    getItemRaw: async (key, options: ReadOptions) => {
      await before();
      const found = values.get(key) ?? null;
      if (options.versioned === true || found === null) return found;
      const { offset = 0, length = found.bytes.length } = options.range ?? {};
      return found.bytes.slice(offset, offset + length);
    },
    setItemRaw: async (key, value: Uint8Array, { ifAbsent, ifVersion }: PutOptions) => {
      await before();
      const there = values.get(key);
      if (ifAbsent === true && there) throw refused();
      if (ifVersion !== undefined && there?.version !== ifVersion) throw refused();
      values.set(key, { bytes: new Uint8Array(value), version: `version ${versions++}` });
    },
    removeItem: async (key, { ifVersion }: RemoveOptions) => {
      await before();
      if (ifVersion !== undefined && values.get(key)?.version !== ifVersion) throw refused();
      values.delete(key);
    },
    getMeta: async (key) => {
      await before();
      const found = values.get(key);
      return found ? { size: found.bytes.length } : null;
    },
    getKeys: async (base) => (await before(), [...values.keys()].filter((key) => key.startsWith(base))),
  };
}
