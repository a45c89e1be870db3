/**
 * `npm run pretrain:data [-- --files 80 --seed 1 --varied 0 --folder .pretrain/data --processes 1]`
 *
 * Makes the pretraining data of the practice table; files that are there already are kept.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { generate } from './generate.ts';

const { values } = parseArgs({
  options: {
    files: { type: 'string', default: '80' },
    seed: { type: 'string', default: '1' },
    /** Share of the episodes that move things of more kinds than the page shows. */
    varied: { type: 'string', default: '0' },
    folder: { type: 'string', default: '.pretrain/data' },
    /** One draws with several threads already: on SwiftShader a second one slows both down. */
    processes: { type: 'string', default: '1' },
    /** Set for the processes that this one starts: which share is theirs. */
    part: { type: 'string' },
  },
});
const processes = Number(values.processes);
const files = Array.from({ length: Number(values.files) }, (_, index) => index);

if (values.part === undefined) {
  const children = Array.from({ length: processes }, (_, part) =>
    fork('tools/node/run.mjs', [process.argv[1]!, ...process.argv.slice(2), '--part', String(part)]),
  );
  const codes = await Promise.all(children.map(async (child) => (await once(child, 'exit'))[0] as number));
  process.exitCode = codes.find((code) => code !== 0) ?? 0;
} else {
  const start = performance.now();
  let total = 0;
  await generate({
    folder: values.folder,
    seed: Number(values.seed),
    varied: Number(values.varied),
    indices: files.filter((index) => index % processes === Number(values.part)),
    onFile: (index, samples) => {
      total += samples;
      const each = (performance.now() - start) / total;
      console.log(`file ${index}: ${samples} samples, ${each.toFixed(1)} ms each`);
    },
  });
  // Dawn keeps a process alive.
  process.exit(0);
}
