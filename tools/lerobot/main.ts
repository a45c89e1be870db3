/** `npm run lerobot`: any dataset that is read, as a LeRobot dataset. */
import { leRobotFiles } from '../../src/episodes/lerobot-writer/files.ts';
import { openDataset } from '../../src/episodes/open-dataset.ts';
import { parseArguments } from '../node/arguments.ts';
import { registerDecoders } from '../node/decoders.ts';
import { openPlace } from '../node/disk-folder.ts';
import { refuseExisting, writeFiles } from '../node/write-files.ts';
import { FORM_OPTIONS, FORM_USAGE, readForm } from './form.ts';

const USAGE = `usage: npm run lerobot -- <dataset> <out folder> [options]

Writes a dataset of any format that is read as a LeRobot dataset: its actions, its state, its cameras and its tasks.

  <dataset>         a folder, a file, a zip, an address, or a Hub repository such as lerobot/svla_so101_pickplace
  <out folder>      refused if it is there already
${FORM_USAGE}
  --robot NAME      info.json's robot_type
  --as-stored       no standardisation by openvla-oft's rules, no turned pictures, where a dataset's name or kind asks for them

HF_TOKEN is sent to the Hub alone, for private and gated repositories.`;

const args = parseArguments(USAGE, {
  allowPositionals: true,
  options: {
    robot: { type: 'string' },
    'as-stored': { type: 'boolean', default: false },
    ...FORM_OPTIONS,
  },
});
const [from, out] = args.exactly('<dataset>', '<out folder>');
const form = readForm(args.values, (text) => args.wrong(text));
refuseExisting(out, 'Name another folder.');

await registerDecoders();
const token = process.env['HF_TOKEN'];
const dataset = await openDataset(
  await openPlace(from, token ? { hubToken: token } : {}),
  args.values['as-stored'] ? { standardise: false, turned: 0 } : {},
);
const { episodes, format, cameras } = dataset;
console.log(`${dataset.name}: ${format}, ${episodes.length} episodes, ${cameras.length} cameras`);
let shown = 0;
await writeFiles(
  out,
  leRobotFiles(dataset, {
    ...form,
    robotType: args.values.robot ?? null,
    onNote: (note) => console.log(note),
    onProgress: (done, total) => {
      const tenths = Math.floor((10 * done) / total);
      if (tenths > shown) console.log(`${done} of ${total} steps`);
      shown = Math.max(shown, tenths);
    },
  }),
);
await dataset.close();
console.log(`${out}: LeRobot ${form.version}, frames as ${form.frames}`);
