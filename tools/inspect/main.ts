/** `npm run inspect`: what a dataset holds, and what is wrong with it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import type { Dataset } from '../../src/episodes/dataset.ts';
import { inspectDataset, type Inspection } from '../../src/episodes/inspect.ts';
import { openDataset } from '../../src/episodes/open-dataset.ts';
import { ModelError } from '../../src/base/errors.ts';
import { parseArguments } from '../node/arguments.ts';
import { registerDecoders } from '../node/decoders.ts';
import { openPlace } from '../node/disk-folder.ts';
import { asText } from './report.ts';

const USAGE = `usage: npm run inspect -- <folder | file | zip | address | Hub repository> [options]

Reads demonstrations as their own library does, and says what is in them and what a trainer should know.

  --json            everything as JSON, every action and state included
  --frames FOLDER   writes pictures there, as <camera>_episode<E>_step<S>.png
  --steps LIST      steps whose pictures are written, such as 0,10,29 (default 0); -1 is the last one
  --episodes LIST   episodes whose pictures are written (default all)
  --chunk N         actions that a policy predicts at once (default 8)`;

/** Separators, and what Windows does not take in the name of a file. */
const UNFIT_FOR_FILES = /[/\\:*?"<>|\p{Cc}]/gu;

const args = parseArguments(USAGE, {
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    frames: { type: 'string' },
    steps: { type: 'string', default: '0' },
    episodes: { type: 'string' },
    chunk: { type: 'string', default: '8' },
  },
});
const [place] = args.exactly('<folder | file | zip | address>');
const steps = wholeNumbers('steps', args.values.steps);
const only = args.values.episodes === undefined ? null : wholeNumbers('episodes', args.values.episodes);
const chunkSize = args.wholeNumber('chunk', 1);

await registerDecoders();
const token = process.env['HF_TOKEN'];
const folder = await openPlace(place, token ? { hubToken: token } : {});
const dataset = await openDataset(folder, { standardise: false });
try {
  const inspection = await inspectDataset(dataset, { chunkSize });
  const standardised = await standardisedBeside(dataset);
  if (args.values.frames !== undefined) await writeFrames(dataset, args.values.frames);
  console.log(
    args.values.json
      ? JSON.stringify({ ...inspection, ...(standardised ? { standardised } : {}) })
      : asText(inspection, standardised),
  );
} finally {
  await dataset.close();
}

/** What openvla-oft would train on, where it changes the numbers of a dataset of this name first. */
async function standardisedBeside({ reading }: Dataset): Promise<(Inspection & { by: string }) | null> {
  if (!reading?.standardisation) return null;
  const changed = await openDataset(folder, { standardise: true });
  try {
    return { by: reading.standardisation.name, ...(await inspectDataset(changed, { chunkSize })) };
  } finally {
    await changed.close();
  }
}

async function writeFrames(from: Dataset, out: string): Promise<void> {
  const { episodes, cameras } = from;
  mkdirSync(out, { recursive: true });
  for (const { index, length } of episodes) {
    if (only && !only.includes(index)) continue;
    const episode = await from.open(index).catch(skipUnreadable);
    for (const { name } of episode ? cameras : []) {
      for (const wanted of steps) {
        const step = wanted < 0 ? length + wanted : wanted;
        if (step < 0 || step >= length) continue;
        const image = await episode!.frame(name, step).catch(skipUnreadable);
        if (!image) continue;
        const png = new PNG({ width: image.width, height: image.height });
        png.data.set(image.data);
        const file = `${name.replace(UNFIT_FOR_FILES, '_')}_episode${index}_step${step}.png`;
        // Opaque: three channels, as the library's own pictures have.
        writeFileSync(join(out, file), PNG.sync.write(png, { colorType: 2 }));
      }
    }
    episode?.close();
  }
}

/** The findings say what is wrong with it. */
function skipUnreadable(error: unknown): null {
  if (error instanceof ModelError) return null;
  throw error;
}

function wholeNumbers(name: string, text: string): number[] {
  const numbers = text.split(',').map(Number);
  if (text.trim() === '' || !numbers.every(Number.isSafeInteger)) {
    throw args.wrong(`--${name} is "${text}"; expected whole numbers with commas between them.`);
  }
  return numbers;
}
