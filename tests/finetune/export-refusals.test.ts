import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ModelError } from '../../src/base/errors.ts';
import { adapterConfigJson } from '../../src/model/finetune/adapter-config.ts';
import { exportCheckpoint } from '../../src/model/finetune/export-checkpoint.ts';
import { importCheckpoint } from '../../src/model/finetune/import-checkpoint.ts';
import type { HostTensor } from '../../src/model/finetune/trained.ts';
import { memoryReader } from '../../src/io/byte-reader.ts';
import { torchArchive } from '../../src/model/weights/torch-writer.ts';
import { safetensorsFile } from '../../src/model/weights/safetensors-writer.ts';
import { collectBytes } from '../../src/model/weights/zip-writer.ts';
import { openExportCase, stepFive, type CASES } from '../../tools/interop/golden-state.ts';
import { archive, pickle } from '../weights/make-archive.ts';
import { ADAPTER, memoryFolder, openIn, stateDifference } from './export-cases.ts';
import { fuzzRuns } from '../setup/fuzz.ts';

/** A checkpoint that can be imported, and a way to try it with changes. */
async function good(name: (typeof CASES)[number] = 'libero-l1') {
  const opened = await openExportCase(name);
  const state = await stepFive(opened);
  const folder = await memoryFolder(exportCheckpoint(state, opened.base));
  const base = { config: opened.base.config, shapes: opened.shapes };
  /** With files replaced, or removed where null. */
  const attempt = async (changes: Record<string, Uint8Array | object | null>) => {
    const bytes = new Map(folder.bytes);
    for (const [path, content] of Object.entries(changes)) {
      if (content === null) bytes.delete(path);
      else if (content instanceof Uint8Array) bytes.set(path, new Uint8Array(content));
      else bytes.set(path, new TextEncoder().encode(JSON.stringify(content)));
    }
    const changed = {
      ...folder,
      files: [...bytes.keys()],
      open: async (p: string) => memoryReader(bytes.get(p)!),
    };
    return importCheckpoint(changed, base);
  };
  return { state, folder, base, attempt };
}

/** `value`, or the ModelError's code; anything else that is thrown fails the test. */
async function outcome(call: () => Promise<unknown>): Promise<string> {
  try {
    await call();
    return 'value';
  } catch (error) {
    if (error instanceof ModelError) return error.code;
    throw error;
  }
}

describe('importCheckpoint reads', () => {
  it('an adapter that PEFT saved with safe_serialization=False, to the bit', async () => {
    const { state, folder, attempt } = await good();
    const tensors = await openIn(folder, ADAPTER);
    const dict = new Map<string, HostTensor>();
    for (const [name, { shape }] of tensors.entries)
      dict.set(name, { shape, data: await tensors.readFloat32(name) });
    const bin = await collectBytes(torchArchive(dict, { name: 'adapter_model' }));
    const read = await attempt({ [ADAPTER]: null, 'lora_adapter/adapter_model.bin': bin });
    expect(stateDifference(read, state)).toBeNull();
  });
});

describe('importCheckpoint refuses', () => {
  const lora = { r: 4, alpha: 4, dropout: 0, targetModules: ['fc1'] };
  const CONFIG = 'lora_adapter/adapter_config.json';

  it('everything of PEFT that changes the mathematics, by name', async () => {
    const { attempt } = await good();
    const changes: Record<string, unknown> = {
      use_dora: true,
      use_rslora: true,
      rank_pattern: { fc1: 2 },
      alpha_pattern: { fc1: 2 },
      bias: 'all',
      layers_to_transform: [0, 1],
      layers_pattern: 'blocks',
      layer_replication: [[0, 2]],
      modules_to_save: ['proprio_projector'],
      fan_in_fan_out: true,
      init_lora_weights: 'pissa',
      loftq_config: { loftq_bits: 4 },
      megatron_config: { hidden_size: 4 },
      peft_type: 'IA3',
      lora_bias: true,
      use_qalora: true,
      trainable_token_indices: [3],
      a_field_of_the_future: 1,
    };
    for (const [field, value] of Object.entries(changes)) {
      const json = { ...adapterConfigJson(lora, 'x'), [field]: value };
      await expect(attempt({ [CONFIG]: json })).rejects.toMatchObject({
        code: 'unsupported',
        message: expect.stringContaining(`"${field}"`) as string,
      });
    }
  });

  it('nothing of a newer PEFT that leaves the mathematics as it is', async () => {
    const { attempt, state } = await good();
    const json = {
      ...adapterConfigJson(state.lora!, 'x'),
      peft_version: '0.18.0',
      lora_bias: false,
      exclude_modules: null,
      trainable_token_indices: null,
      eva_config: null,
      use_qalora: false,
      qalora_group_size: 16,
      init_lora_weights: true,
    };
    expect(stateDifference(await attempt({ [CONFIG]: json }), state)).toBeNull();
  });

  it('settings that are damaged, and a rank that the weights do not have', async () => {
    const { attempt, state } = await good();
    const config = adapterConfigJson(state.lora!, 'x');
    for (const wrong of [
      { r: 0 },
      { r: 1.5 },
      { lora_alpha: 0 },
      { lora_alpha: 'x' },
      { lora_dropout: 1 },
      { target_modules: [1] },
    ]) {
      await expect(attempt({ [CONFIG]: { ...config, ...wrong } })).rejects.toMatchObject({
        code: 'bad-file',
      });
    }
    await expect(attempt({ [CONFIG]: { ...config, r: 5 } })).rejects.toMatchObject({
      code: 'bad-shape',
      message: expect.stringMatching(/lora_A.*\[4, .*needs \[5, /) as string,
    });
    await expect(attempt({ [CONFIG]: new TextEncoder().encode('{') })).rejects.toMatchObject({
      code: 'bad-file',
    });
  });

  it('folders that lack something', async () => {
    const { attempt } = await good();
    const cases: [string, string, string][] = [
      [CONFIG, 'bad-file', 'adapter_config.json'],
      [ADAPTER, 'bad-file', 'adapter_model.safetensors'],
      ['action_head--5_checkpoint.pt', 'bad-file', 'action_head.'],
      ['proprio_projector--5_checkpoint.pt', 'bad-file', 'proprio_projector.'],
      ['dataset_statistics.json', 'missing-statistics', 'dataset_statistics.json'],
    ];
    for (const [path, code, text] of cases) {
      await expect(attempt({ [path]: null })).rejects.toMatchObject({
        code,
        message: expect.stringContaining(text) as string,
      });
    }
  });

  it('weights that are not the policy’s', async () => {
    const { folder, attempt } = await good();
    const file = await openIn(folder, ADAPTER);
    const tensors = new Map<string, HostTensor>();
    for (const [key, { shape }] of file.entries)
      tensors.set(key, { shape, data: await file.readFloat32(key) });
    const a = 'base_model.model.projector.fc1.lora_A.weight';
    const b = 'base_model.model.projector.fc1.lora_B.weight';
    const variant = async (change: (all: Map<string, HostTensor>) => void) => {
      const all = new Map(tensors);
      change(all);
      return attempt({ [ADAPTER]: await collectBytes(safetensorsFile(all)) });
    };
    const shape = tensors.get(a)!.shape as [number, number];
    const wider: HostTensor = {
      shape: [shape[0], shape[1] + 1],
      data: new Float32Array(shape[0] * (shape[1] + 1)),
    };
    const notFinite: HostTensor = { shape, data: tensors.get(a)!.data.map((x, i) => (i === 3 ? NaN : x)) };
    await expect(variant((all) => all.set(a, wider))).rejects.toMatchObject({ code: 'bad-shape' });
    await expect(variant((all) => all.set(a, notFinite))).rejects.toMatchObject({ code: 'bad-file' });
    await expect(variant((all) => all.delete(b))).rejects.toMatchObject({ code: 'bad-file' });
    await expect(variant((all) => all.clear())).rejects.toMatchObject({ code: 'bad-file' });
    const elsewhere = 'base_model.model.projector.fc9.lora_A.weight';
    await expect(variant((all) => all.set(elsewhere, tensors.get(a)!))).rejects.toMatchObject({
      code: 'bad-shape',
    });
    for (const key of [
      'base_model.model.projector.fc1.lora_magnitude_vector',
      'base_model.model.projector.fc1.bias',
      'base_model.model.language_model.model.embed_tokens.lora_embedding_A',
    ]) {
      await expect(variant((all) => all.set(key, tensors.get(a)!))).rejects.toMatchObject({
        code: 'unsupported',
        message: expect.stringContaining(key) as string,
      });
    }
    // Names that PEFT has in a state dict, and old versions in files.
    const kept = await variant((all) => {
      all.set(a.replace('.weight', '.default.weight'), all.get(a)!);
      all.delete(a);
    });
    expect(kept.adapters.get('projector.fc1')!.a).toEqual(tensors.get(a));
  });

  it('the checkpoint of another policy', async () => {
    const one = await good('siglip-only-l1');
    for (const name of ['libero-l1', 'aloha-film-l1', 'discrete'] as const) {
      const { base } = await good(name);
      await expect(importCheckpoint(one.folder, base)).rejects.toMatchObject({
        code: expect.stringMatching(/^bad-(shape|file)$/) as string,
      });
    }
    const other = await good('aloha-film-l1');
    await expect(importCheckpoint(other.folder, one.base)).rejects.toMatchObject({ code: 'bad-shape' });
  });

  it('several checkpoints at once, but not a folder around one', async () => {
    const { state, folder, base } = await good();
    const inFolders = (...names: string[]) => ({
      files: names.flatMap((name) => folder.files.map((path) => `${name}/${path}`)),
      open: (path: string) => folder.open(path.replace(/^outer\/[^/]+\//, '')),
    });
    expect(
      stateDifference(await importCheckpoint(inFolders('outer/golden--5_chkpt'), base), state),
    ).toBeNull();
    await expect(importCheckpoint(inFolders('outer/a', 'outer/b'), base)).rejects.toMatchObject({
      code: 'bad-file',
      message: expect.stringContaining('outer/a/') as string,
    });
    const mixed = { ...folder, files: [...folder.files, 'action_head--9_checkpoint.pt'] };
    await expect(importCheckpoint(mixed, base)).rejects.toMatchObject({ code: 'bad-file' });
  });

  it('what a checkpoint’s pickle must not hold, and damage anywhere, with an error of ours', async () => {
    const { folder, attempt } = await good();
    const evil = await archive({
      'data.pkl': pickle({ dict: { w: { call: 'os.system', args: ['true'] } } }),
    });
    await expect(attempt({ 'action_head--5_checkpoint.pt': evil })).rejects.toMatchObject({
      code: 'bad-pickle',
    });
    const outcomes = new Set<string>();
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...folder.files.filter((path) => !path.endsWith('README.md'))),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        async (path, at, flip) => {
          const bytes = new Uint8Array(folder.bytes.get(path)!);
          // Headers are at the start, where most of the meaning is.
          bytes[at % Math.min(bytes.length, 4000)]! ^= flip;
          outcomes.add(await outcome(() => attempt({ [path]: bytes })));
        },
      ),
      { numRuns: fuzzRuns(200) },
    );
    // Else the damages are all of one kind, and the test shows little.
    expect(outcomes.size).toBeGreaterThan(2);
  });
});
