import { ModelError } from '../../src/base/errors.ts';
import type { Runtime } from '../../src/model/runtime/runtime.ts';
import { memoryReader } from '../../src/io/byte-reader.ts';
import type { Row } from '../parity/compare.ts';
import type { CaseFiles } from '../parity/golden.ts';
import { runFolder, type FolderOptions } from '../parity/run-folder.ts';
import { tokenizers } from '../parity/tokenize.ts';
import type { JobArguments } from './page.ts';

/** A golden folder served by `serveFolders` (tools/parity/host.ts). */
export function servedFolder(args: JobArguments): CaseFiles {
  const { name, files, base } = args as JobArguments & { name: string; files: string[]; base: string };
  return {
    name,
    files,
    open: async (path) => {
      const response = await fetch(base + path);
      if (!response.ok) throw new ModelError('bad-file', `${path} could not be read: ${response.status}.`);
      return memoryReader(new Uint8Array(await response.arrayBuffer()));
    },
  };
}

export async function runParityJob(runtime: Runtime, args: JobArguments): Promise<Row[]> {
  const { qwenJson } = args as JobArguments & { qwenJson: string };
  return runFolder(
    servedFolder(args),
    runtime,
    tokenizers(async () => (await fetch(qwenJson)).json()),
    args as JobArguments & FolderOptions,
  );
}
