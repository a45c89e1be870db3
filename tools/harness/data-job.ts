import { openAddress } from '../../src/io/open-address.ts';
import type { Runtime } from '../../src/model/runtime/runtime.ts';
import { readAllFrames, type FramesRead } from '../bench/data-frames.ts';
import type { JobArguments } from './page.ts';

/** Reads a dataset by its address, twice: the first pass loads the readers. */
export async function runDataJob(_: Runtime, args: JobArguments): Promise<FramesRead> {
  const address = String(args['url']);
  await readAllFrames(await openAddress(address));
  return readAllFrames(await openAddress(address));
}
