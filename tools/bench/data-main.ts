/** `npm run bench:data`: frames a second read from each format, beside its own library, and bytes fetched for a frame by URL. */
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { openAddress } from '../../src/io/open-address.ts';
import { quirkyHost } from '../../tests/io/quirky-host.ts';
import type { Browser } from '../harness/browser.ts';
import { parseArguments } from '../node/arguments.ts';
import { registerDecoders } from '../node/decoders.ts';
import { openPlace } from '../node/disk-folder.ts';
import { readAllFrames, readOneFrame, type FramesRead } from './data-frames.ts';
import { dataPython, readInPython } from './data-python.ts';
import { filesOf, KINDS, makeSource, type Source } from './data-sources.ts';
import { median } from './llama-block.ts';

const USAGE = `usage: npm run bench:data -- [options]

Reads every frame of datasets in order: LeRobot with video and with embedded images and, where h5py is there, HDF5, which it
writes into a temporary folder first; and the RLDS fixture. Prints frames a second in Node, beside PyAV, pyarrow with PIL, h5py
and TFDS where Python has them (BENCH_PYTHON, BENCH_H5PY_PYTHON, BENCH_TFDS_PYTHON; default python3), and bytes that are
fetched by URL.

  --only KIND  video, images, hdf5 or rlds
  --page       in headless Chromium, too; by URL, from this machine
  --frames N   of the sets that are written (default 200)
  --rounds N   of which the median is printed (default 3)`;

const args = parseArguments(USAGE, {
  options: {
    only: { type: 'string' },
    page: { type: 'boolean', default: false },
    frames: { type: 'string', default: '200' },
    rounds: { type: 'string', default: '3' },
  },
});
const frames = args.wholeNumber('frames', 2);
const rounds = args.wholeNumber('rounds', 1);
const only = args.oneOf('only', KINDS);
const python = dataPython();
const root = mkdtempSync(join(tmpdir(), 'bench-data-'));
let browser: Browser | null = null;
try {
  await registerDecoders();
  if (args.values.page) browser = await (await import('../harness/browser.ts')).openHarness();
  console.log(`${cpus().length} cores, ${cpus()[0]?.model ?? 'unknown CPU'}, Node ${process.version}`);
  for (const kind of only ? [only] : KINDS) await benchSource(await makeSource(kind, root, frames, python));
} finally {
  await browser?.close();
  rmSync(root, { recursive: true });
}
process.exit(0);

async function benchSource(source: Source): Promise<void> {
  const place = join(source.folder, source.file);
  const files = filesOf(source);
  const host = await quirkyHost(files, { cors: true });
  const url = host.url + source.file;
  const ours: FramesRead[] = [];
  const theirs: FramesRead[] = [];
  const inPage: FramesRead[] = [];
  let skipped: string | null = null;
  await readAllFrames(await openPlace(place));
  // In turns, so that what else the machine does is shared.
  for (let round = 0; round < rounds; round++) {
    ours.push(await readAllFrames(await openPlace(place)));
    if (browser) inPage.push(await browser.run<FramesRead>('data', { backend: 'wasm', url }));
    if (skipped !== null) continue;
    const read = readInPython(python, source);
    if ('skipped' in read) skipped = read.skipped;
    else theirs.push(read);
  }
  const count = ours[0]!.frames;
  for (const read of [...theirs, ...inPage]) {
    if (read.frames !== count) throw new Error(`${read.frames} frames were read where Node reads ${count}.`);
  }
  console.log(`\n${source.kind}: ${source.told}, ${count} frames; frames a second, median of ${rounds}`);
  const node = rate(ours);
  const beside = skipped === null ? rate(theirs) : null;
  const ratio = (value: number) => (beside === null ? '' : `, ratio ${(value / beside).toFixed(2)}`);
  console.log(`  Node      ${node.toFixed(0)}${ratio(node)}`);
  if (browser) console.log(`  Chromium  ${rate(inPage).toFixed(0)}${ratio(rate(inPage))}`);
  console.log(`  Python    ${beside === null ? `skipped: ${skipped}` : beside.toFixed(0)}`);

  const stored = [...files.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
  let before = host.sent();
  await readAllFrames(await openAddress(url));
  const all = host.sent() - before;
  before = host.sent();
  let opened = 0;
  await readOneFrame(await openAddress(url), () => (opened = host.sent() - before));
  const one = host.sent() - before - opened;
  console.log(
    `  by URL    ${kilobytes(all / count)} a frame in order, where ${kilobytes(stored / count)} are stored ` +
      `(${(all / stored).toFixed(2)}); to open ${kilobytes(opened)}, one frame by itself ${kilobytes(one)}`,
  );
  await host.close();
}

function rate(reads: readonly FramesRead[]): number {
  return median(reads.map((read) => read.frames / read.seconds));
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1000).toFixed(1)} kB`;
}
