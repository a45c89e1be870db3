import { ModelError } from '../base/errors.ts';
import type { Folder } from './folder.ts';

/** What macOS and Windows leave in folders and zips, and nobody put there. */
const LITTER = /(^|\/)(__MACOSX\/|\.DS_Store$|\._[^/]*$|Thumbs\.db$|desktop\.ini$)/i;

/**
 * A path as another system wrote it, with `/` and without a leading `./`; null for a file that no one put there.
 * @throws ModelError `bad-file` for a path that leaves the folder
 */
export function cleanPath(path: string, container: string): string | null {
  const clean = path.replaceAll('\\', '/').replace(/^(\.\/)+/, '');
  if (clean.startsWith('/') || /^[a-z]:/i.test(clean) || clean.split('/').includes('..')) {
    throw new ModelError(
      'bad-file',
      `${container} is refused: it names a file outside of itself, "${clean.slice(0, 80)}".`,
      'Pack the folder itself, and nothing else.',
    );
  }
  return LITTER.test(clean) ? null : clean;
}

/** The part of a folder below a path. `prefix` is empty, or ends with a slash. */
export function subfolder(folder: Folder, prefix: string): Folder {
  if (prefix === '') return folder;
  return {
    name: prefix.split('/').at(-2)!,
    has: (path) => folder.has(prefix + path),
    open: (path) => folder.open(prefix + path),
    list: async () => {
      const paths = await folder.list();
      return paths && paths.flatMap((path) => (path.startsWith(prefix) ? [path.slice(prefix.length)] : []));
    },
  };
}

/**
 * The folder that something lies in, however it was wrapped: the shallowest one that has the file `sign`, such as `meta/info.json`.
 * A place that cannot list its files is looked at as it is.
 * @returns null where no folder has it
 * @throws ModelError `bad-input` where two folders at the same depth have it, as nobody can know which is meant
 */
export async function rootWith(folder: Folder, sign: string): Promise<Folder | null> {
  if (await folder.has(sign)) return folder;
  const paths = await folder.list();
  if (!paths) return null;
  const roots = paths.flatMap((path) => (path.endsWith(`/${sign}`) ? [path.slice(0, -sign.length)] : []));
  const least = Math.min(...roots.map(depthOf));
  const shallowest = roots.filter((root) => depthOf(root) === least);
  if (shallowest.length > 1) {
    throw new ModelError(
      'bad-input',
      `${folder.name} holds ${shallowest.length} folders with a ${sign}: ${shallowest.slice(0, 4).join(', ')}.`,
      'Choose one of them.',
    );
  }
  return shallowest.length === 1 ? subfolder(folder, shallowest[0]!) : null;
}

function depthOf(root: string): number {
  return root.split('/').length;
}
