/** The policy that the built page opens with: the one in public/models/default, or a package that `npm run build -- --policy` names. */
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Plugin } from 'vite';
import { ModelError } from '../../src/base/errors.ts';
import { parseManifest } from '../../src/model/weights/manifest.ts';

const SHIPPED = resolve(import.meta.dirname, '../../public/models/default');

export interface DefaultPolicy {
  readonly folder: string;
  readonly name: string;
  /** Part of its address, so that what a visitor has stored gives way to a newer one. */
  readonly version: string;
}

/** @throws ModelError `bad-package` where the folder is not a package, or lacks one of its files */
export function defaultPolicy(folder: string = SHIPPED): DefaultPolicy {
  const path = join(folder, 'manifest.json');
  if (!existsSync(path)) {
    throw new ModelError(
      'bad-package',
      `${folder} is not a policy package: it has no manifest.json.`,
      'Convert a checkpoint with `npm run convert`; docs/packages.md says how.',
    );
  }
  const bytes = readFileSync(path);
  const { name, tokenizer, shards } = parseManifest(bytes.toString('utf8'));
  for (const { path: file, byteLength } of [tokenizer, ...shards]) {
    const found = statSync(join(folder, file), { throwIfNoEntry: false })?.size ?? null;
    if (found === byteLength) continue;
    throw new ModelError(
      'bad-package',
      `${join(folder, file)} ${found === null ? 'is missing' : `has ${found} bytes`}; the manifest says ${byteLength} bytes.`,
      'Copy the whole package again.',
    );
  }
  return { folder, name, version: createHash('sha256').update(bytes).digest('hex').slice(0, 8) };
}

/** Puts a package of yours where the page looks for its policy. */
export function packagedPolicy({ folder }: DefaultPolicy): Plugin {
  let out = '';
  return {
    name: 'default-policy',
    apply: 'build',
    configResolved: (config) => {
      out = resolve(config.root, config.build.outDir);
    },
    closeBundle: {
      order: 'post',
      sequential: true,
      handler: () => {
        if (folder === SHIPPED) return;
        const target = join(out, 'models', 'default');
        rmSync(target, { recursive: true, force: true });
        mkdirSync(target, { recursive: true });
        const { tokenizer, shards } = parseManifest(readFileSync(join(folder, 'manifest.json'), 'utf8'));
        for (const path of ['manifest.json', tokenizer.path, ...shards.map((shard) => shard.path)])
          copyFileSync(join(folder, path), join(target, path));
      },
    },
  };
}
