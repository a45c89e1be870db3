/** `npm run pretrain:data`: makes the pretraining data of the practice table; files that are there already are kept. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { TRAINED_TASKS } from '../../src/practice/tasks.ts';
import { parseArguments } from '../node/arguments.ts';
import { EPISODES_PER_FILE, generate } from './generate.ts';

const USAGE = `usage: npm run pretrain:data -- [options]

Makes the pretraining data of the practice table: noisy runs of the scripted expert. Files that are there already are kept.

  --files N         files in all, of ${EPISODES_PER_FILE} episodes each (default 80)
  --seed N          what a file holds follows from the seed and its number (default 1)
  --varied X        share of the episodes, 0…1, that move things of more kinds than the page shows (default 0)
  --task NAME       only this one of the trained tasks (${TRAINED_TASKS.map(({ name }) => name).join(', ')});
                    may be given several times (default: all)
  --folder FOLDER   where the files go (default .pretrain/data)
  --processes N     processes that share the files; one draws with several threads already, and on SwiftShader a second
                    one slows both down (default 1)`;

const args = parseArguments(USAGE, {
  options: {
    files: { type: 'string', default: '80' },
    seed: { type: 'string', default: '1' },
    varied: { type: 'string', default: '0' },
    task: { type: 'string', multiple: true, default: TRAINED_TASKS.map(({ name }) => name) },
    folder: { type: 'string', default: '.pretrain/data' },
    processes: { type: 'string', default: '1' },
    /** Not for people: set for the processes that this one starts, which share is theirs. */
    part: { type: 'string' },
  },
});
const count = args.wholeNumber('files', 1);
const seed = args.wholeNumber('seed', 0);
const varied = args.share('varied');
const processes = args.wholeNumber('processes', 1);
const ownPart = args.wholeNumber('part', 0);
const tasks = args.values.task.map((name) => {
  const task = TRAINED_TASKS.find((trained) => trained.name === name);
  if (!task) throw args.wrong(`--task is "${name}"; it has to be one of the trained tasks.`);
  return task;
});
const files = Array.from({ length: count }, (_, index) => index);

if (ownPart === undefined) {
  const children = Array.from({ length: processes }, (_, part) =>
    fork('tools/node/run.mjs', [process.argv[1]!, ...process.argv.slice(2), '--part', String(part)]),
  );
  const codes = await Promise.all(children.map(async (child) => (await once(child, 'exit'))[0] as number));
  process.exitCode = codes.find((code) => code !== 0) ?? 0;
} else {
  const start = performance.now();
  let total = 0;
  await generate({
    folder: args.values.folder,
    seed,
    varied,
    tasks,
    indices: files.filter((index) => index % processes === ownPart),
    onFile: (index, samples) => {
      total += samples;
      const each = (performance.now() - start) / total;
      console.log(`file ${index}: ${samples} samples, ${each.toFixed(1)} ms each`);
    },
  });
  // Dawn keeps a process alive.
  process.exit(0);
}
