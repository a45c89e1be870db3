import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { openCheckpoint, type CheckpointFolder } from '../../src/model/weights/checkpoint.ts';
import { mergeLora, peftPairs, unmergeLora } from '../../src/model/weights/lora-merge.ts';
import { prismaticToHf } from '../../src/model/weights/prismatic-keys.ts';
import { memoryReader } from '../../src/io/byte-reader.ts';
import { openSafetensors, safetensorsHeader } from '../../src/model/weights/safetensors.ts';
import type { TensorFile } from '../../src/model/weights/tensor-file.ts';
import { diskCheckpoint, openDiskFile } from '../../tools/node/disk-folder.ts';
import '../setup/compare.ts';
import { loadJson } from '../setup/fixture.ts';
import { loadModule } from '../setup/safetensors.ts';
import { concat, torchArchiveOf } from './make-archive.ts';
import { refusalCode, refusedWith } from './refused.ts';

const GOLDEN = 'tests/golden';

interface Expected {
  output: Record<string, { shape: number[]; source: string; sha256: string }>;
}

describe.each(['fused', 'siglip'])('Prismatic checkpoint: %s', (name) => {
  const folder = `${GOLDEN}/convert/${name}`;

  it('has upstream’s names and bytes', async () => {
    const { output } = await loadJson<Expected>(`${folder}/expected.json`);
    const { tensors } = await openCheckpoint(diskCheckpoint(folder));
    expect([...tensors.entries.keys()].toSorted()).toEqual(Object.keys(output).toSorted());
    for (const [key, { shape, source, sha256 }] of Object.entries(output)) {
      expect(prismaticToHf(source)).toBe(key);
      expect(prismaticToHf(`model/${source}`)).toBe(key);
      expect(tensors.entries.get(key)!.shape).toEqual(shape);
      const bytes = new Uint8Array((await tensors.readFloat32(key)).buffer);
      expect(createHash('sha256').update(bytes).digest('hex')).toBe(sha256);
    }
  });

  it('gets the fields of a Hugging Face config, also from the base VLM alone', async () => {
    const disk = diskCheckpoint(folder);
    const { config } = await openCheckpoint(disk);
    const { vla } = await loadJson<{ vla: object }>(`${folder}/config.json`);
    const baseOnly = await openCheckpoint(withFile(disk, 'config.json', JSON.stringify({ vla })));
    expect(config).toMatchObject({
      use_fused_vision_backbone: name === 'fused',
      image_sizes: config['image_sizes'],
    });
    expect(config['timm_model_ids']).toHaveLength(name === 'fused' ? 2 : 1);
    // Its own registry says of siglip-224px+7b that images get a border, and that it is Vicuna's (prismatic/conf/models.py).
    const said =
      name === 'fused' ? {} : { image_resize_strategy: 'letterbox', llm_backbone_id: 'vicuna-v15-7b' };
    expect(baseOnly.config).toEqual({ ...config, ...said });
    const configOf = async (json: object) =>
      (await openCheckpoint(withFile(disk, 'config.json', JSON.stringify(json)))).config;
    expect(
      await configOf({ model: { vision_backbone_id: 'clip-vit-l', llm_backbone_id: 'llama2-13b-pure' } }),
    ).toMatchObject({
      timm_model_ids: ['vit_large_patch14_clip_224.openai'],
      text_config: { num_attention_heads: 40 },
    });
    expect(
      await configOf({ vla: { base_vlm: 'Stanford-ILIAD/prism-qwen25-extra-dinosiglip-224px+0_5b' } }),
    ).toMatchObject({
      image_sizes: [224, 224],
      text_config: { model_type: 'qwen2', num_attention_heads: 14, tie_word_embeddings: true },
    });
    for (const [field, value] of [
      ['vision_backbone_id', 'eva-vit-g'],
      ['llm_backbone_id', 'phi-2-3b'],
    ])
      expect(
        await refusedWith('unsupported', () =>
          configOf({ model: { vision_backbone_id: 'clip-vit-l', [field!]: value } }),
        ),
      ).toContain(value);
  });
});

it('names of a Prismatic checkpoint that have no place are told, other parts of it left out', async () => {
  expect(prismaticToHf('optimizer/state/x')).toBeNull();
  expect(await refusedWith('unsupported', () => prismaticToHf('projector/projector.7.weight'))).toContain(
    'projector.7',
  );
  expect(await refusalCode(() => prismaticToHf('llm_backbone/other.weight'))).toBe('unsupported');
  expect(await refusalCode(() => prismaticToHf('vision_backbone/eva_featurizer.x'))).toBe('unsupported');
});

describe('FiLM backbone of aloha-film-l1', () => {
  const folder = `${GOLDEN}/aloha-film-l1`;

  it('is W + B·A under the names of the unwrapped backbone', async () => {
    const { tensors } = await openCheckpoint(diskCheckpoint(folder));
    const stored = await loadModule(`${folder}/vision_backbone.safetensors`);
    // r = lora_alpha = 4, so that upstream's scaling is 1.
    const plain = Object.keys(stored).filter((key) => !key.includes('.lora_'));
    const ours = [...tensors.entries.keys()].filter((key) => key.startsWith('vision_backbone.'));
    expect(ours).toHaveLength(plain.length);
    expect(ours.filter((key) => /\.block\.|base_layer|lora/.test(key))).toEqual([]);
    let merged = 0;
    for (const key of plain) {
      const { shape, data } = stored[key]!;
      const name = key.replace(/\.blocks\.(\d+)\.block\./, '.blocks.$1.').replace('.base_layer.', '.');
      const expected = Float64Array.from(data);
      const a = stored[key.replace('.base_layer.', '.lora_A.default.')];
      const b = stored[key.replace('.base_layer.', '.lora_B.default.')];
      if (a && b && key.endsWith('.base_layer.weight')) {
        const inputs = data.length / shape[0]!;
        const rank = a.shape[0]!;
        for (let i = 0; i < data.length; i++) {
          for (let r = 0; r < rank; r++)
            expected[i]! += b.data[Math.floor(i / inputs) * rank + r]! * a.data[r * inputs + (i % inputs)]!;
        }
        merged++;
      }
      expect(tensors.entries.get(name)?.shape).toEqual(shape);
      expect(await tensors.readFloat32(name)).toBeNear(expected, 1e-6, name);
    }
    expect(merged).toBeGreaterThan(20);
    expect(tensors.entries.has('vision_backbone.featurizer.blocks.0.scale.weight')).toBe(true);
  });

  it('is not left out: neither the file itself nor its LoRA’s own ranks', async () => {
    const disk = diskCheckpoint(folder);
    const files = disk.files.filter((path) => !path.startsWith('vision_backbone'));
    expect(await refusedWith('bad-file', () => openCheckpoint({ ...disk, files }))).toContain(
      'trained with FiLM',
    );
    const path = 'lora_adapter/adapter_config.json';
    const config = await loadJson<object>(`${folder}/${path}`);
    for (const [change, part] of [
      [{ rank_pattern: { qkv: 8 } }, 'has "rank_pattern"'],
      [{ alpha_pattern: { qkv: 8 } }, 'has "alpha_pattern"'],
      [{ use_rslora: true }, 'has "use_rslora"'],
      [{ r: 8, lora_alpha: 8 }, 'factors of rank 4'],
    ] as const)
      expect(
        await refusedWith('unsupported', () =>
          openCheckpoint(withFile(disk, path, JSON.stringify({ ...config, ...change }))),
        ),
      ).toContain(part);
  });

  it('equals its safetensors twin tensor by tensor', async () => {
    const disk = diskCheckpoint(folder);
    const twin = await openDiskFile(`${folder}/vision_backbone.safetensors`);
    const files = disk.files.filter((path) => !path.startsWith('vision_backbone--'));
    const fromPt = await openCheckpoint(disk);
    const fromTwin = await openCheckpoint({
      files,
      open: (path) => (path === 'vision_backbone.safetensors' ? Promise.resolve(twin) : disk.open(path)),
    });
    for (const name of fromPt.tensors.entries.keys())
      expect(await fromTwin.tensors.readFloat32(name)).toBeNear(
        await fromPt.tensors.readFloat32(name),
        0,
        name,
      );
  });

  it('takes the scaling from the adapter’s config, and min(r, 16) / r without one', async () => {
    const disk = diskCheckpoint(folder);
    const name = 'vision_backbone.featurizer.blocks.0.attn.qkv.weight';
    const change = async (config: object | null) => {
      const path = 'lora_adapter/adapter_config.json';
      const opened = config
        ? withFile(disk, path, JSON.stringify(config))
        : { ...disk, files: disk.files.filter((file) => file !== path) };
      return (await openCheckpoint(opened)).tensors.readFloat32(name);
    };
    const plain = await change(null);
    expect(await change({ r: 4, lora_alpha: 4 })).toBeNear(plain, 0);
    const double = await change({ r: 4, lora_alpha: 8 });
    const half = await change({ r: 4, lora_alpha: 2 });
    // Twice the scaling moves a weight as far from `plain` as half of it does, twice over, the other way.
    expect(plain.map((value, i) => value - (double[i]! - value))).toBeNear(
      plain.map((value, i) => value + 2 * (half[i]! - value)),
      1e-6,
    );
    expect(plain.some((value, i) => Math.abs(value - double[i]!) > 1e-4)).toBe(true);
    expect(await refusalCode(() => change({ r: 4, lora_alpha: 8, use_dora: true }))).toBe('unsupported');
    expect(await refusalCode(() => change({ r: 0, lora_alpha: 8 }))).toBe('unsupported');
  });
});

describe('mergeLora', () => {
  const folder = `${GOLDEN}/siglip-only-l1`;
  const parts = async (): Promise<{ base: TensorFile; adapter: TensorFile; scaling: number }> => {
    const { r, lora_alpha: alpha } = await loadJson<{ r: number; lora_alpha: number }>(
      `${folder}/lora_adapter/adapter_config.json`,
    );
    return {
      base: await openSafetensors(await openDiskFile(`${folder}/model.safetensors`)),
      adapter: await openSafetensors(await openDiskFile(`${folder}/lora_adapter/adapter_model.safetensors`)),
      scaling: alpha / r,
    };
  };

  it('equals PEFT’s merge, the patch-embedding convolution and lm_head included', async () => {
    const { base, adapter, scaling } = await parts();
    expect(scaling).toBe(0.8);
    const pairs = peftPairs(adapter);
    const merged = mergeLora(base, adapter, pairs, scaling);
    const expected = await loadModule(`${folder}/merged.safetensors`);
    expect([...pairs.keys()].toSorted()).toEqual(Object.keys(expected).toSorted());
    expect(pairs.has('vision_backbone.featurizer.patch_embed.proj.weight')).toBe(true);
    expect(pairs.has('language_model.lm_head.weight')).toBe(true);
    for (const [name, { shape, data }] of Object.entries(expected)) {
      expect(merged.entries.get(name)!.shape).toEqual(shape);
      expect(await merged.readFloat32(name)).toBeNear(data, 1e-6, name);
    }
    const untouched = 'language_model.model.norm.weight';
    expect(await merged.readFloat32(untouched)).toBeNear(await base.readFloat32(untouched), 0);
  });

  it('is undone by unmergeLora, to rounding', async () => {
    const { base, adapter, scaling } = await parts();
    const pairs = peftPairs(adapter);
    const again = unmergeLora(mergeLora(base, adapter, pairs, scaling), adapter, pairs, scaling);
    for (const name of pairs.keys()) {
      expect(await again.readFloat32(name)).toBeNear(await base.readFloat32(name), 1e-6, name);
    }
  });

  it('gives the same by rows and by odd byte ranges', async () => {
    const { base, adapter, scaling } = await parts();
    const merged = mergeLora(base, adapter, peftPairs(adapter), scaling);
    const name = 'language_model.model.layers.0.mlp.down_proj.weight';
    const whole = await merged.readRaw(name);
    const [rows, columns] = merged.entries.get(name)!.shape as [number, number];
    const middle = await merged.readFloat32(name, 3, rows - 5);
    expect(middle).toBeNear(new Float32Array(whole.buffer).slice(3 * columns, (rows - 2) * columns), 0);
    // From near the end of the first row into later ones.
    const start = 4 * columns - 5;
    expect(await merged.readRaw(name, start, 1001)).toEqual(whole.slice(start, start + 1001));
  });

  it('reads no more of the checkpoint than the rows that are asked for', async () => {
    const { base, adapter, scaling } = await parts();
    const asked: number[] = [];
    const watched: TensorFile = {
      ...base,
      readFloat32: (key, firstRow, rowCount) => {
        asked.push(firstRow ?? -1, rowCount ?? -1);
        return base.readFloat32(key, firstRow, rowCount);
      },
    };
    const name = 'language_model.model.layers.0.mlp.down_proj.weight';
    const [rows] = base.entries.get(name)!.shape as [number];
    await mergeLora(watched, adapter, peftPairs(adapter), scaling).readFloat32(name, rows - 2, 1);
    expect(asked).toEqual([rows - 2, 1]);
  });

  it('refuses an adapter of another checkpoint', async () => {
    const { base, adapter } = await parts();
    const name = 'language_model.model.layers.0.mlp.down_proj.weight';
    const pairs = peftPairs(adapter);
    const other = pairs.get('projector.fc1.weight')!;
    const wrong = mergeLora(base, adapter, new Map([[name, other]]), 1);
    expect(await refusedWith('bad-shape', () => wrong.readFloat32(name))).toContain(name);
    expect(await refusalCode(() => mergeLora(base, adapter, new Map([['nowhere.weight', other]]), 1))).toBe(
      'missing-tensor',
    );
  });
});

describe('checkpoint folders', () => {
  it('prefix the modules beside the model, without DDP’s module.', async () => {
    const { tensors, statistics, preprocessor } = await openCheckpoint(
      diskCheckpoint(`${GOLDEN}/libero-diffusion`),
    );
    for (const module of ['action_head', 'proprio_projector', 'noisy_action_projector']) {
      const expected = await loadModule(`${GOLDEN}/libero-diffusion/${module}.safetensors`);
      for (const [name, { data }] of Object.entries(expected))
        expect(await tensors.readFloat32(`${module}.${name}`)).toBeNear(data, 0, name);
    }
    expect(Object.keys(statistics!)).toHaveLength(1);
    expect(preprocessor).not.toBeNull();
  });

  it('take the module of the highest step', async () => {
    const disk = diskCheckpoint(`${GOLDEN}/libero-l1`);
    const opened: string[] = [];
    const names = ['9000', '50000', '100000'].flatMap((step) =>
      ['action_head', 'proprio_projector'].map((module) => `${module}--${step}_checkpoint.pt`),
    );
    await openCheckpoint({
      files: [...disk.files.filter((path) => !path.endsWith('_checkpoint.pt')), ...names],
      open: (path) => {
        opened.push(path);
        return disk.open(path.replace(/--\d+_/, '--50000_'));
      },
    });
    expect(opened.filter((path) => path.startsWith('action_head'))).toEqual([
      'action_head--100000_checkpoint.pt',
    ]);
  });

  it('say what is missing or damaged', async () => {
    const disk = diskCheckpoint(`${GOLDEN}/libero-l1`);
    const without = (path: string): CheckpointFolder => ({
      ...disk,
      files: disk.files.filter((file) => file !== path),
    });
    expect(await refusedWith('bad-file', () => openCheckpoint(without('config.json')))).toContain(
      'config.json',
    );
    expect(await refusedWith('bad-file', () => openCheckpoint(without('model.safetensors')))).toContain(
      'model.safetensors.index.json',
    );
    expect(
      await refusedWith('bad-file', () => openCheckpoint(withFile(disk, 'config.json', '[1]'))),
    ).toContain('config.json');
    const index = JSON.stringify({ weight_map: { a: 'gone.safetensors' } });
    expect(
      await refusedWith('bad-file', () =>
        openCheckpoint(withFile(without('model.safetensors'), 'model.safetensors.index.json', index)),
      ),
    ).toContain('gone.safetensors');
  });

  it('take the whole vision backbone from FiLM’s file, where there is one', async () => {
    const files: Record<string, Uint8Array<ArrayBuffer>> = {
      'config.json': new TextEncoder().encode('{}'),
      'model.safetensors': part('vision_backbone.featurizer.old'),
      'vision_backbone.safetensors': part('featurizer.blocks.0.block.new'),
    };
    const { tensors } = await openCheckpoint({
      files: Object.keys(files),
      open: async (path) => memoryReader(files[path]!),
    });
    expect([...tensors.entries.keys()]).toEqual(['vision_backbone.featurizer.blocks.0.new']);
  });

  it('may be a torch archive, with LayerScale by timm’s name', async () => {
    const bin = await torchArchiveOf({
      'language_model.model.norm.weight': [1, 2],
      'vision_backbone.featurizer.blocks.0.ls1.gamma': [3],
    });
    const files: Record<string, Uint8Array<ArrayBuffer>> = {
      'config.json': new TextEncoder().encode('{}'),
      'pytorch_model.bin': bin,
    };
    const open = (more: Record<string, Uint8Array<ArrayBuffer>> = files) =>
      openCheckpoint({ files: Object.keys(more), open: async (path) => memoryReader(more[path]!) });
    const { tensors } = await open();
    expect([...(await tensors.readFloat32('language_model.model.norm.weight'))]).toEqual([1, 2]);
    expect([...(await tensors.readFloat32('vision_backbone.featurizer.blocks.0.ls1.scale_factor'))]).toEqual([
      3,
    ]);
    const { 'pytorch_model.bin': _, ...rest } = files;
    const map = { 'language_model.model.norm.weight': 'pytorch_model-00001-of-00001.bin' };
    const sharded = await open({
      ...rest,
      'pytorch_model.bin.index.json': new TextEncoder().encode(JSON.stringify({ weight_map: map })),
      'pytorch_model-00001-of-00001.bin': bin,
    });
    expect([...sharded.tensors.entries.keys()]).toEqual(Object.keys(map));
    const queries = await open({
      ...files,
      'action_queries--5_checkpoint.pt': await torchArchiveOf({ 'module.weight': [7] }),
    });
    expect([...(await queries.tensors.readFloat32('action_queries.weight'))]).toEqual([7]);
    const peft = { ...files, 'adapter_config.json': new TextEncoder().encode('{}') };
    expect(await refusedWith('unsupported', () => open(peft))).toContain(
      'adapter_config.json beside the model',
    );
    const adapted = await torchArchiveOf({ 'base_model.model.language_model.lm_head.weight': [1] });
    expect(await refusedWith('unsupported', () => open({ ...rest, 'pytorch_model.bin': adapted }))).toContain(
      'not merged',
    );
  });

  it('of Prismatic are the last step’s where none is called the latest', async () => {
    const disk = diskCheckpoint(`${GOLDEN}/convert/siglip`);
    const opened: string[] = [];
    const steps = [9000, 295_000, 20_000].map((step) => `checkpoints/step-${step}-epoch-40-loss=0.2200.pt`);
    const { tensors } = await openCheckpoint({
      files: ['config.json', ...steps],
      open: (path) => {
        opened.push(path);
        return disk.open(path.startsWith('checkpoints') ? 'checkpoints/latest-checkpoint.pt' : path);
      },
    });
    expect(opened).toContain(steps[1]);
    expect(tensors.entries.has('projector.fc1.weight')).toBe(true);
  });

  it('may be sharded', async () => {
    const files: Record<string, Uint8Array<ArrayBuffer>> = {
      'config.json': new TextEncoder().encode('{}'),
      'model.safetensors.index.json': new TextEncoder().encode(
        '{"weight_map":{"a":"1.safetensors","bb":"2.safetensors"}}',
      ),
      '1.safetensors': part('a'),
      '2.safetensors': part('bb'),
    };
    const { tensors } = await openCheckpoint({
      files: Object.keys(files),
      open: async (path) => memoryReader(files[path]!),
    });
    expect([...(await tensors.readNumbers('a')), ...(await tensors.readNumbers('bb'))]).toEqual([1, 2]);
  });
});

const part = (name: string) => concat(safetensorsHeader([{ name, dtype: 'U8', shape: [1] }]), [name.length]);

function withFile(folder: CheckpointFolder, path: string, text: string): CheckpointFolder {
  return {
    files: [...new Set([...folder.files, path])],
    open: (asked) =>
      asked === path ? Promise.resolve(memoryReader(new TextEncoder().encode(text))) : folder.open(asked),
  };
}
