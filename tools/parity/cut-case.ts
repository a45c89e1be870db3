/**
 * Cuts a golden case to what the tests here read; run by hand: `node tools/node/run.mjs tools/parity/cut-case.ts <case> <target> [--train]`.
 * Stages of single ViT blocks are left out, which other cases hold, and of training all but the warm variant's first step.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArguments } from '../node/arguments.ts';

const USAGE = `usage: node tools/node/run.mjs tools/parity/cut-case.ts <case> <target> [--train] [--adapter]

  --train     with the first step of the warm training variant
  --adapter   with lora_adapter/`;

const args = parseArguments(USAGE, {
  allowPositionals: true,
  options: { train: { type: 'boolean', default: false }, adapter: { type: 'boolean', default: false } },
});
const [source, target] = args.exactly('<case>', '<target>');

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

mkdirSync(target, { recursive: true });
const WHOLE = [
  'config.json',
  'preprocessor_config.json',
  'dataset_statistics.json',
  'model.safetensors',
  'action_head.safetensors',
  'proprio_projector.safetensors',
  'extra_io.safetensors',
];
for (const name of WHOLE) if (existsSync(join(source, name))) cpSync(join(source, name), join(target, name));
if (args.values.adapter)
  cpSync(join(source, 'lora_adapter'), join(target, 'lora_adapter'), { recursive: true });

const seen = /^vision\/.*(block\d|embedded|patch_embed)/;
write(
  'io.safetensors',
  tensorsOf('io.safetensors').filter(([name]) => !seen.test(name)),
);

const meta = JSON.parse(readFileSync(join(source, 'meta.json'), 'utf8')) as Record<string, unknown> & {
  adapter: object;
  train: { lora: object; variants: Record<string, { losses: number[]; metrics?: object[]; lr: number[] }> };
};
const { warm } = meta.train.variants;
const short = {
  note: `cut from ../shared/golden/${basename(source)} by tools/parity/cut-case.ts`,
  ...Object.fromEntries(
    ['prompt', 'unnorm_key', 'center_crop', 'platform', 'spec', 'constants'].map((key) => [key, meta[key]]),
  ),
  adapter: meta.adapter,
  train: {
    lora: meta.train.lora,
    variants: {
      warm: {
        ...warm,
        losses: warm!.losses.slice(0, 1),
        metrics: warm!.metrics?.slice(0, 1),
        lr: warm!.lr.slice(0, 1),
        file: 'train.safetensors',
        fp64_noise_floor: undefined,
        zero_grad_params: undefined,
      },
    },
  },
};
writeFileSync(join(target, 'meta.json'), `${JSON.stringify(short)}\n`);

if (args.values.train) {
  const kept =
    /^(init\/|grad\/|perturbation\/step0$|fwd\/(projector_out|proprio_token|action_head\/(in|out))$|batch\/(pixel_values|actions|proprio|sample\d\/(input_ids|labels)))/;
  const parts = [...tensorsOf('train.safetensors'), ...tensorsOf('train_warm.safetensors')];
  const own = parts.filter(([name], i) => {
    // Gradients of the towers are held by other cases.
    if (/^grad\/.*vision_backbone/.test(name)) return false;
    const fromWarm = i >= tensorsOf('train.safetensors').length;
    return (
      kept.test(name) &&
      (name.startsWith('batch/') || name.startsWith('perturbation/') ? !fromWarm : fromWarm)
    );
  });
  write('train.safetensors', own);
}

function tensorsOf(file: string): [string, Entry, Buffer][] {
  const bytes = readFileSync(join(source, file));
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString()) as Record<string, Entry>;
  return Object.entries(header)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, entry]) => {
      const [from, to] = entry.data_offsets;
      return [name, entry, bytes.subarray(8 + length + from, 8 + length + to)];
    });
}

function write(file: string, tensors: readonly [string, Entry, Buffer][]): void {
  // Wider types first, so that each starts at a multiple of its width.
  const width = ({ dtype }: Entry): number => Number(/\d+/.exec(dtype)?.[0] ?? 8);
  const ordered = tensors.toSorted((a, b) => width(b[1]) - width(a[1]));
  const header: Record<string, Entry> = {};
  let offset = 0;
  for (const [name, { dtype, shape }, data] of ordered) {
    header[name] = { dtype, shape, data_offsets: [offset, offset + data.length] };
    offset += data.length;
  }
  const text = JSON.stringify(header);
  const padded = text.padEnd(Math.ceil(text.length / 8) * 8);
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(padded.length));
  writeFileSync(
    join(target, file),
    Buffer.concat([size, Buffer.from(padded), ...ordered.map(([, , data]) => data)]),
  );
}
