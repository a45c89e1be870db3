import { createWriteStream, existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { StreamedFile } from '../../src/episodes/lerobot-writer/files.ts';
import { ModelError } from '../../src/base/errors.ts';

/** @throws ModelError `bad-input` where something is at that path already: nothing is overwritten */
export function refuseExisting(folder: string, hint: string): void {
  if (existsSync(folder)) throw new ModelError('bad-input', `${folder} is there already.`, hint);
}

/** Writes files into a folder on disk as they are made. */
export async function writeFiles(folder: string, files: AsyncIterable<StreamedFile>): Promise<void> {
  for await (const { path, chunks } of files) {
    const to = join(folder, path);
    await mkdir(dirname(to), { recursive: true });
    await pipeline(Readable.from(chunks()), createWriteStream(to, { flags: 'wx' }));
  }
}
