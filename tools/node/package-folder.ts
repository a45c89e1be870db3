import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelError } from '../../src/base/errors.ts';
import { parseManifest } from '../../src/model/weights/manifest.ts';
import { checkHash, PackageReader } from '../../src/model/weights/package-reader.ts';

/** Opens a package folder on disk; every file's hash is checked when it is read. @throws ModelError `bad-input` where there is none */
export async function openPackageFolder(folder: string): Promise<PackageReader> {
  if (!existsSync(join(folder, 'manifest.json')))
    throw new ModelError(
      'bad-input',
      `${folder} is not a policy package: it has no manifest.json.`,
      'Name a folder that `npm run convert` wrote.',
    );
  const manifest = parseManifest(await readFile(join(folder, 'manifest.json'), 'utf8'));
  const hashes = new Map([manifest.tokenizer, ...manifest.shards].map(({ path, sha256 }) => [path, sha256]));
  return new PackageReader(manifest, async (path) => {
    const bytes = new Uint8Array(await readFile(join(folder, path)));
    await checkHash(path, bytes, hashes.get(path)!);
    return bytes;
  });
}
