import { ModelError } from '../base/errors.ts';
import type { ByteReader } from './byte-reader.ts';
import { missingFile, type Folder } from './folder.ts';
import { shown, type HttpOptions } from './http.ts';
import { httpReader } from './http-reader.ts';

/**
 * A folder on a web server, which cannot be listed.
 * @throws ModelError `bad-input` for an address that cannot be one
 */
export function httpFolder(address: string, options: HttpOptions = {}): Folder {
  const root = parseAddress(address);
  root.pathname = root.pathname.replace(/\/?$/, '/');
  /** What was opened or found missing, so that no file is asked for twice. */
  const opened = new Map<string, Promise<ByteReader | null>>();
  const find = (path: string): Promise<ByteReader | null> => {
    const known = opened.get(path);
    if (known) return known;
    const url = new URL(path.split('/').map(encodeURIComponent).join('/'), root);
    url.search = root.search;
    const found = httpReader(url.href, path, options);
    opened.set(path, found);
    found.catch(() => opened.delete(path));
    return found;
  };
  return {
    name: decodeURIComponent(root.pathname.split('/').filter(Boolean).at(-1) ?? root.hostname),
    has: async (path) => (await find(path)) !== null,
    open: async (path) => {
      const file = await find(path);
      if (!file) throw missingFile(shown(root.href), path);
      return file;
    },
    list: async () => null,
  };
}

/** @throws ModelError `bad-input` for what is not an http or https address */
export function parseAddress(text: string): URL {
  const trimmed = text.trim();
  let url: URL | null = null;
  try {
    url = new URL(trimmed, globalThis.location?.href);
  } catch {
    // Said below.
  }
  if (url && /^https?:$/.test(url.protocol)) return url;
  throw new ModelError(
    'bad-input',
    `"${trimmed.slice(0, 120)}" is not an address that can be opened.`,
    'Give one that starts with https://, or a Hub repository such as lerobot/svla_so101_pickplace.',
  );
}
