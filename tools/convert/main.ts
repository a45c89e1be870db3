/** `npm run convert`: an upstream checkpoint folder → a policy package. Streams: memory does not grow with the checkpoint. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { planCheckpoint, type CheckpointPlan, type PackageChoices } from '../../src/convert/plan.ts';
import { runConversion, type ConversionProgress } from '../../src/convert/run-conversion.ts';
import { ModelError } from '../../src/base/errors.ts';
import { TRAINABLE_HEADS } from '../../src/model/heads/index.ts';
import type { Bits } from '../../src/model/network/storage-encoding.ts';
import { formatBytes } from '../../src/model/policy/capability.ts';
import { parseRobotProfile } from '../../src/model/policy/config.ts';
import { ROBOT_PROFILES, type RobotProfile } from '../../src/model/policy/robot-profiles.ts';
import { shardBytes } from '../../src/model/weights/manifest.ts';
import { parseArguments } from '../node/arguments.ts';
import { diskCheckpoint } from '../node/disk-folder.ts';
import { diskTarget } from '../node/file-access.ts';
import { nodeEncoders } from './node-encoders.ts';

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
  --diffusion-steps N   num_diffusion_steps_train of a diffusion head, which no file tells (default: 50, as finetune.py's)
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
    'diffusion-steps': { type: 'string' },
    teach: { type: 'string' },
  },
});
const { values } = args;
const [source, out] = args.exactly('<checkpoint>', '<out>');
if (values.bits === undefined) throw args.wrong('--bits is missing; expected: 4, 8, 16 or 32.');
const bits = Number(args.oneOf('bits', ['4', '8', '16', '32'])) as Bits;
const images = args.wholeNumber('images', 1);
const diffusionSteps = args.wholeNumber('diffusion-steps', 1);
const teach = args.oneOf('teach', [...TRAINABLE_HEADS]);
const given = args.oneOf('decoding', ['autoregressive', 'parallel']);
await convert(source, out);

async function convert(from: string, target: string): Promise<void> {
  if (!existsSync(from)) throw new ModelError('bad-input', `There is no folder ${from}.`);
  await refuseForeignFolder(target);
  const start = performance.now();
  const plan = await planCheckpoint(diskCheckpoint(from), choices(from));
  sayWhatItIs(plan);

  // Written beside the target and renamed at the end: an interrupted run leaves no half package under its name.
  const unfinished = `${resolve(target)}.unfinished-${process.pid}`;
  await mkdir(unfinished, { recursive: true });
  const interrupted = () => {
    rmSync(unfinished, { recursive: true, force: true });
    process.exit(130);
  };
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  const encoders = nodeEncoders(plan.sourceBytes);
  try {
    const manifest = await runConversion(plan, diskTarget(unfinished), {
      encoders,
      onProgress: progressLine(),
    });
    await rm(target, { recursive: true, force: true });
    await mkdir(dirname(resolve(target)), { recursive: true });
    await rename(unfinished, target);
    const seconds = (performance.now() - start) / 1000;
    console.log(
      `${target}: ${formatBytes(shardBytes(manifest))} in ${manifest.shards.length} shards from ${formatBytes(plan.sourceBytes)}, ` +
        `${seconds.toFixed(1)} s, ${(plan.sourceBytes / 1e6 / seconds).toFixed(0)} MB/s, ` +
        `peak memory ${formatBytes(process.resourceUsage().maxRSS * 1024)}`,
    );
  } finally {
    await encoders.end();
    await rm(unfinished, { recursive: true, force: true });
  }
}

function choices(from: string): PackageChoices {
  return {
    bits,
    name: values.name ?? basename(resolve(from)),
    description: values.description,
    profile: values.profile ? profileOf(values.profile) : undefined,
    images,
    centerCrop: values['center-crop'],
    unnormKey: values['unnorm-key'],
    decoding: given,
    diffusionSteps,
    teach,
  };
}

function sayWhatItIs({ family, config, assumed }: CheckpointPlan): void {
  const { kind, attention } = config.network.language;
  const otherwise = family.certain
    ? ''
    : ' If it is the original OpenVLA, convert it with --decoding autoregressive.';
  console.log(`This is ${family.name}${family.why}.${otherwise} Language model: ${kind}, ${attention}.`);
  if (assumed)
    console.log(
      `${assumed} Others: --profile, --images, --center-crop, --no-center-crop, --diffusion-steps.`,
    );
  const keys = Object.keys(config.statistics);
  if (keys.length > 1 && !values['unnorm-key']) {
    console.log(
      `It has statistics of ${keys.length} datasets and un-normalises with the first, "${config.defaultUnnormKey}"; ` +
        `--unnorm-key names another: ${keys.slice(1, 6).join(', ')}${keys.length > 6 ? ' …' : ''}.`,
    );
  }
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
function progressLine(): (progress: ConversionProgress) => void {
  let shown = -1;
  return ({ done, total, name }) => {
    const percent = Math.floor((100 * done) / total);
    if (percent === shown || !process.stderr.isTTY) return;
    shown = percent;
    process.stderr.write(`\r${percent} % ${name.slice(0, 70).padEnd(70)}${percent === 100 ? '\n' : ''}`);
  };
}
