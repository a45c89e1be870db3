import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Shapes } from '../../src/model/network/config.ts';
import { parsePolicyConfig, policyConfigFromCheckpoint } from '../../src/model/policy/config.ts';
import { createTokenizer } from '../../src/model/policy/tokenizer.ts';
import { openCheckpoint } from '../../src/model/weights/checkpoint.ts';
import { decodeFloat32 } from '../../src/model/weights/encoding.ts';
import {
  CHECKPOINT_SHAPES,
  checkpointTensors,
  type CheckpointShape,
} from '../../tools/make-checkpoint/checkpoint-shapes.ts';
import { llama2TokenizerJson } from '../../src/convert/llama2-tokenizer.ts';
import { makeCheckpoint } from '../../tools/make-checkpoint.ts';
import { contentsOf } from '../../tools/make-checkpoint/contents.ts';
import { jsonFiles } from '../../tools/make-checkpoint/json-files.ts';
import { diskCheckpoint } from '../../tools/node/disk-folder.ts';
import { openPackageFolder } from '../../tools/node/package-folder.ts';
import '../setup/compare.ts';
import { loadJson } from '../setup/fixture.ts';

const run = promisify(execFile);
const GOLDEN = 'tests/golden/libero-l1';

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'convert-'));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

/** Runs the command; gives what it printed and how it ended. */
async function convert(...args: string[]): Promise<{ code: number; output: string }> {
  try {
    const { stdout, stderr } = await run(process.execPath, [
      'tools/node/run.mjs',
      'tools/convert/main.ts',
      ...args,
    ]);
    return { code: 0, output: stdout + stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, output: stdout + stderr };
  }
}

describe('npm run convert', () => {
  it.each([
    // Largest error of a weight, in steps of its tensor's largest value: half a code, but for one that clips.
    { bits: '32', limit: 0 },
    { bits: '8', limit: 1 / 127 },
    { bits: '4', limit: 1 / 7 },
  ])('--bits $bits writes a package with every tensor of the checkpoint', async ({ bits, limit }) => {
    const out = join(scratch, `libero-${bits}`);
    const { code, output } = await convert(GOLDEN, out, '--bits', bits, '--name', 'A name');
    expect({ code, output }).toMatchObject({ code: 0 });
    expect(output).toMatch(/MB\/s, peak memory/);
    const reader = await openPackageFolder(out);
    const { tensors } = await openCheckpoint(diskCheckpoint(GOLDEN));
    expect(reader.names.toSorted()).toEqual([...tensors.entries.keys()].toSorted());
    expect(reader.manifest.name).toBe('A name');
    parsePolicyConfig(reader.manifest.config);
    for (const name of reader.names) {
      const weight = await reader.load(name);
      const exact = await tensors.readFloat32(name);
      const largest = exact.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      // f16 keeps eleven bits.
      const allowed = weight.encoding === 'f32' ? 0 : weight.encoding === 'f16' ? 2 ** -11 : limit;
      expect(decodeFloat32(weight)).toBeNear(exact, allowed * largest, name);
    }
    const tokenize = await createTokenizer(await reader.tokenizer());
    expect(tokenize('In:')).toEqual([1, 512, 29901]);
  });

  it('replaces a package, and nothing else', async () => {
    const out = join(scratch, 'target');
    await mkdir(out);
    await writeFile(join(out, 'manifest.json'), '{"short_name": "a web app"}');
    await writeFile(join(out, 'thesis.txt'), 'years of work');
    const refused = await convert(GOLDEN, out, '--bits', '4');
    expect(refused.code).toBe(1);
    expect(refused.output).toContain('is not a policy package');
    expect(await readFile(join(out, 'thesis.txt'), 'utf8')).toBe('years of work');
    expect((await convert(GOLDEN, join(out, 'thesis.txt'), '--bits', '4')).code).toBe(1);

    await rm(join(out, 'thesis.txt'));
    expect((await convert(GOLDEN, out, '--bits', '4')).code).toBe(0);
    expect((await readdir(out)).toSorted()).toEqual(['manifest.json', 'shard-0000.bin', 'tokenizer.json']);
  });

  it('leaves nothing behind when it fails', async () => {
    const broken = join(scratch, 'broken');
    await mkdir(broken);
    for (const file of await readdir(GOLDEN)) {
      if (file !== 'action_head--50000_checkpoint.pt' && file !== 'action_head.safetensors')
        await symlink(resolve(GOLDEN, file), join(broken, file));
    }
    // A head whose data is missing: opens in name only.
    const head = await readFile(`${GOLDEN}/action_head--50000_checkpoint.pt`);
    await writeFile(join(broken, 'action_head--50000_checkpoint.pt'), head.subarray(0, 5000));
    const { code, output } = await convert(broken, join(scratch, 'failed'), '--bits', '8');
    expect(code).toBe(1);
    expect(output).toContain('action_head--50000_checkpoint.pt is not a zip, or a damaged one');
    expect((await readdir(scratch)).filter((name) => name.startsWith('failed'))).toEqual([]);
  });

  it('says what it needs', async () => {
    const to = join(scratch, 'x');
    const [nothing, bits, folder, key] = await Promise.all([
      convert(),
      convert(GOLDEN, to, '--bits', '5'),
      convert('no/such/folder', to, '--bits', '4'),
      convert(GOLDEN, to, '--bits', '4', '--unnorm-key', 'elsewhere'),
    ]);
    expect(nothing.output).toContain('usage:');
    expect(bits.code).toBe(2);
    expect(folder.output).toContain('no/such/folder');
    expect(key.output).toContain('elsewhere');
    expect(existsSync(join(scratch, 'x'))).toBe(false);
  });
});

/** Shapes under the names that openCheckpoint gives to a module's tensors. */
const prefixed = (prefix: string, shapes: Shapes) =>
  [...shapes].map(([key, dims]): [string, readonly number[]] => [`${prefix}.${key}`, dims]);

/** The model file of a tiny checkpoint made with that seed. */
async function seeded(seed: number, name: string): Promise<Buffer> {
  await makeCheckpoint(join(scratch, name), contentsOf('tiny'), { seed });
  return readFile(join(scratch, name, 'model-00001-of-00001.safetensors'));
}

describe('make-checkpoint', () => {
  it('writes what upstream names and shapes so, sharded, and convert reads it', async () => {
    const folder = join(scratch, 'made');
    await makeCheckpoint(folder, contentsOf('tiny'), { maxShardBytes: 500_000 });
    const made = await openCheckpoint(diskCheckpoint(folder));
    const golden = await openCheckpoint(diskCheckpoint(GOLDEN));
    const shapes = (tensors: typeof made.tensors) =>
      Object.fromEntries([...tensors.entries].map(([name, { shape }]) => [name, shape]));
    expect(shapes(made.tensors)).toEqual(shapes(golden.tensors));
    expect((await readdir(folder)).filter((file) => file.startsWith('model-')).length).toBeGreaterThan(3);
    const { code, output } = await convert(folder, join(scratch, 'made-q4'), '--bits', '4');
    expect({ code, output }).toMatchObject({ code: 0 });
  });

  it('gives the same bytes for the same seed, others for another', async () => {
    const one = await seeded(1, 'seed-1');
    expect(one.equals(await seeded(1, 'seed-1-again'))).toBe(true);
    expect(one.equals(await seeded(2, 'seed-2'))).toBe(false);
    await expect(seeded(1, 'seed-1')).rejects.toThrow('exists already');
  });

  it.each(['7b', 'tiny'] as const)('describes %s so that it becomes a policy', async (name) => {
    const shape: CheckpointShape = CHECKPOINT_SHAPES[name];
    const files = jsonFiles(shape) as Record<string, Record<string, unknown>>;
    const { model, actionHead, proprioProjector } = checkpointTensors(shape);
    const { network, head, profile } = policyConfigFromCheckpoint({
      config: files['config.json']!,
      preprocessor: files['preprocessor_config.json']!,
      statistics: files['dataset_statistics.json']!,
      shapes: new Map([
        ...model,
        ...prefixed('action_head', actionHead),
        ...prefixed('proprio_projector', proprioProjector),
      ]),
    });
    expect(head).toBe('l1');
    expect([profile.name, profile.chunkSize, profile.state?.length]).toEqual(['libero', 8, 8]);
    expect(network.language).toMatchObject({ hidden: shape.llama.hidden, heads: shape.llama.heads });
    expect(network.vits.map(({ dim, depth, heads }) => ({ dim, depth, heads }))).toEqual(
      [shape.dino, shape.siglip].map(({ dim, depth, heads }) => ({ dim, depth, heads })),
    );
  });

  it('writes the golden case’s image processor', async () => {
    const files = jsonFiles(CHECKPOINT_SHAPES.tiny);
    expect(files['preprocessor_config.json']).toEqual(await loadJson(`${GOLDEN}/preprocessor_config.json`));
  });

  it('knows the size of OpenVLA-7B', () => {
    const { model } = checkpointTensors(CHECKPOINT_SHAPES['7b']);
    const parameters = [...model.values()].reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);
    // Parameters of openvla/openvla-7b on the Hugging Face hub.
    expect(parameters).toBe(7_541_237_184);
  });
});

describe('Llama-2’s tokenizer.json', () => {
  interface Cases {
    texts: { text: string; ids: number[] }[];
  }

  it('gives upstream’s ids', async () => {
    const { texts } = await loadJson<Cases>('tests/golden/tokenizer/cases.json');
    const tokenize = await createTokenizer(await llama2TokenizerJson());
    expect(texts.length).toBeGreaterThan(5);
    for (const { text, ids } of texts) expect({ text, ids: tokenize(text) }).toEqual({ text, ids });
  });

  it('falls back to bytes for what the vocabulary lacks', async () => {
    const tokenize = await createTokenizer(await llama2TokenizerJson());
    // U+1F9BE, a mechanical arm: four bytes F0 9F A6 BE, at 3 + byte.
    expect(tokenize('🦾').slice(-4)).toEqual([0xf0, 0x9f, 0xa6, 0xbe].map((byte) => byte + 3));
  });
});
