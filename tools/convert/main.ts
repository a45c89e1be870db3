/** `npm run convert`: an upstream checkpoint folder → a policy package. Streams: memory does not grow with the checkpoint. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { ModelError } from '../../src/model/errors.ts';
import { headOf, TRAINABLE_HEADS } from '../../src/model/heads/index.ts';
import { storageEncoding, type Bits } from '../../src/model/network/storage-encoding.ts';
import {
  parseRobotProfile,
  policyConfigFromCheckpoint,
  type PolicyConfig,
} from '../../src/model/policy/config.ts';
import { decodingOf } from '../../src/model/policy/decoding.ts';
import { ROBOT_PROFILES, type RobotProfile } from '../../src/model/policy/robot-profiles.ts';
import { formatBytes } from '../../src/model/policy/capability.ts';
import { openCheckpoint, type Checkpoint } from '../../src/model/weights/checkpoint.ts';
import { shardBytes } from '../../src/model/weights/manifest.ts';
import { writePackage } from '../../src/model/weights/package-writer.ts';
import { parseArguments } from '../node/arguments.ts';
import { diskCheckpoint } from '../node/disk-folder.ts';
import { diskSink } from '../node/file-access.ts';
import { llama2TokenizerJson } from './llama2-tokenizer.ts';

const USAGE = `usage: npm run convert -- <checkpoint> <out> --bits 4|8|16|32 [options]

Turns an upstream checkpoint folder into a policy package, which the page opens.

  <checkpoint>          Hugging Face folder of OpenVLA, OpenVLA-OFT or VLA-Adapter (with action_head--N_checkpoint.pt and the like),
                        or a Prismatic folder with checkpoints/latest-checkpoint.pt
  <out>                 folder of the package; replaced if it is a package, refused if it is anything else
  --bits N              4 and 8 quantise the large matrices in blocks of 32; 16 stores f16; 32 stores f32
  --name TEXT           shown on the page (default: the checkpoint folder's name)
  --description TEXT    shown on the page (default: none)
  --profile NAME        ${Object.keys(ROBOT_PROFILES).join(', ')}, or a .json file with a profile (docs/packages.md);
                        default: follows from the statistics
  --images N            number of camera images, where it differs from the profile's
  --[no-]center-crop    for policies trained with or without image augmentation (default: with; OpenVLA's own mixture: without)
  --unnorm-key KEY      default statistics (default: the first)
  --decoding HOW        of a checkpoint that predicts action tokens: autoregressive (the original OpenVLA) or parallel (OpenVLA-OFT);
                        default: told from its files, and printed
  --teach HEAD          a base for fine-tuning with a head of OpenVLA-OFT that it has not: l1, diffusion or discrete`;

const args = parseArguments(USAGE, {
  allowPositionals: true,
  allowNegative: true,
  options: {
    bits: { type: 'string' },
    name: { type: 'string' },
    description: { type: 'string', default: '' },
    profile: { type: 'string' },
    images: { type: 'string' },
    'center-crop': { type: 'boolean' },
    'unnorm-key': { type: 'string' },
    decoding: { type: 'string' },
    teach: { type: 'string' },
  },
});
const { values } = args;
const [source, out] = args.exactly('<checkpoint>', '<out>');
if (values.bits === undefined) throw args.wrong('--bits is missing; expected: 4, 8, 16 or 32.');
const bits = Number(args.oneOf('bits', ['4', '8', '16', '32'])) as Bits;
const images = args.wholeNumber('images', 1);
const teach = args.oneOf('teach', [...TRAINABLE_HEADS]);
const given = args.oneOf('decoding', ['autoregressive', 'parallel']);
const FAMILIES: Readonly<Record<PolicyConfig['head'], string>> = {
  l1: 'OpenVLA-OFT with an L1 head',
  diffusion: 'OpenVLA-OFT with a diffusion head',
  discrete: 'OpenVLA-OFT with action tokens, all predicted at once',
  autoregressive: 'the original OpenVLA, which generates action tokens one after the other',
  bridge: 'VLA-Adapter',
};

await convert(source, out);

async function convert(from: string, target: string): Promise<void> {
  if (!existsSync(from)) throw new ModelError('bad-input', `There is no folder ${from}.`);
  await refuseForeignFolder(target);
  const start = performance.now();
  const folder = diskCheckpoint(from);
  const checkpoint = await openCheckpoint(folder);
  const config = configOf(checkpoint);
  sayWhatItIs(checkpoint, config);
  const tokenizer = await tokenizerOf(checkpoint, config, folder);

  // Written beside the target and renamed at the end: an interrupted run leaves no half package under its name.
  const unfinished = `${resolve(target)}.unfinished-${process.pid}`;
  await mkdir(unfinished, { recursive: true });
  const interrupted = () => {
    rmSync(unfinished, { recursive: true, force: true });
    process.exit(130);
  };
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  try {
    const manifest = await writePackage(
      checkpoint.tensors,
      tokenizer,
      {
        name: values.name ?? basename(resolve(from)),
        description: values.description,
        source: `${basename(resolve(from))}, converted with ${bits} bits`,
        config: { ...config },
      },
      diskSink(unfinished),
      { encodingOf: (name, shape) => storageEncoding(name, shape, bits), onProgress: progressLine() },
    );
    await rm(target, { recursive: true, force: true });
    await mkdir(dirname(resolve(target)), { recursive: true });
    await rename(unfinished, target);
    const seconds = (performance.now() - start) / 1000;
    const read = [...checkpoint.tensors.entries.values()].reduce(
      (sum, { byteLength }) => sum + byteLength,
      0,
    );
    console.log(
      `${target}: ${formatBytes(shardBytes(manifest))} in ${manifest.shards.length} shards from ${formatBytes(read)}, ` +
        `${seconds.toFixed(1)} s, ${(read / 1e6 / seconds).toFixed(0)} MB/s, ` +
        `peak memory ${formatBytes(process.resourceUsage().maxRSS * 1024)}`,
    );
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

function configOf(checkpoint: Checkpoint): PolicyConfig {
  return policyConfigFromCheckpoint({
    config: checkpoint.config,
    preprocessor: checkpoint.preprocessor,
    statistics: checkpoint.statistics,
    shapes: shapesOf(checkpoint),
    ...(values.profile ? { profile: profileOf(values.profile) } : {}),
    ...(images ? { images } : {}),
    ...(values['unnorm-key'] ? { unnormKey: values['unnorm-key'] } : {}),
    ...(values['center-crop'] === undefined ? {} : { centerCrop: values['center-crop'] }),
    modelingCode: checkpoint.modelingCode,
    decoding: given,
    teach,
  });
}

/** Two families have the same weights: what a checkpoint is taken for, and why, is never left unsaid. */
function sayWhatItIs(checkpoint: Checkpoint, config: PolicyConfig): void {
  const family = `${FAMILIES[config.head]}${config.bridge?.pro ? ' Pro' : ''}`;
  const { kind, attention } = config.network.language;
  const told = decodingOf({
    ...checkpoint,
    shapes: shapesOf(checkpoint),
    statistics: config.statistics,
  });
  const why = teach
    ? ', to be taught: until then it predicts nothing of use'
    : headOf(config).lmHead
      ? given
        ? ', as --decoding says'
        : `: ${told.reason}`
      : '';
  const otherwise =
    headOf(config).lmHead && !given && !told.certain
      ? ' If it is the original OpenVLA, convert it with --decoding autoregressive.'
      : '';
  console.log(`This is ${family}${why}.${otherwise} Language model: ${kind}, ${attention}.`);
  const keys = Object.keys(config.statistics);
  if (keys.length > 1 && !values['unnorm-key']) {
    console.log(
      `It has statistics of ${keys.length} datasets and un-normalises with the first, "${config.defaultUnnormKey}"; ` +
        `--unnorm-key names another: ${keys.slice(1, 6).join(', ')}${keys.length > 6 ? ' …' : ''}.`,
    );
  }
}

function shapesOf({ tensors }: Checkpoint): Map<string, readonly number[]> {
  return new Map([...tensors.entries].map(([name, { shape }]) => [name, shape]));
}

async function tokenizerOf(
  checkpoint: Checkpoint,
  config: PolicyConfig,
  folder: ReturnType<typeof diskCheckpoint>,
): Promise<Uint8Array<ArrayBuffer>> {
  if (checkpoint.tokenizer) {
    const file = await folder.open(checkpoint.tokenizer);
    return file.slice(0, file.byteLength);
  }
  const { kind, vocabulary } = config.network.language;
  if (kind !== 'llama' || vocabulary < 32000) {
    throw new ModelError(
      'bad-file',
      `The folder has no tokenizer.json, and ${kind === 'llama' ? `a vocabulary of ${vocabulary} is not Llama-2's` : `that of ${kind} is not at hand`}.`,
      'Put the tokenizer.json the policy was trained with into the folder.',
    );
  }
  return new TextEncoder().encode(JSON.stringify(await llama2TokenizerJson()));
}

function profileOf(name: string): string | RobotProfile {
  return name.endsWith('.json') ? parseRobotProfile(JSON.parse(readFileSync(name, 'utf8'))) : name;
}

async function refuseForeignFolder(target: string): Promise<void> {
  if (!existsSync(target)) return;
  const files = (await stat(target)).isDirectory() ? await readdir(target) : [''];
  // It will be deleted, so a manifest.json beside other files (a web app's) does not make it a package.
  const known = files.every((file) => /^(manifest|tokenizer)\.json$|^shard-\d+\.bin$/.test(file));
  if (files.length === 0 || (known && files.includes('manifest.json'))) return;
  throw new ModelError(
    'bad-input',
    `${target} exists and is not a policy package.`,
    'Name another folder, or remove it yourself.',
  );
}

/** Writes `percent name` over itself; nothing where no one watches. */
function progressLine(): (done: number, total: number, name: string) => void {
  let shown = -1;
  return (done, total, name) => {
    const percent = Math.floor((100 * done) / total);
    if (percent === shown || !process.stderr.isTTY) return;
    shown = percent;
    process.stderr.write(`\r${percent} % ${name.slice(0, 70).padEnd(70)}${percent === 100 ? '\n' : ''}`);
  };
}
