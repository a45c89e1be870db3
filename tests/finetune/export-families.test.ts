import { describe, expect, it } from 'vitest';
import { exportCheckpoint, exportMerged } from '../../src/model/finetune/export-checkpoint.ts';
import { importCheckpoint } from '../../src/model/finetune/import-checkpoint.ts';
import { initialParameters, trainedState } from '../../src/model/finetune/parameters.ts';
import type { TrainedState } from '../../src/model/finetune/trained.ts';
import { policyConfigFromCheckpoint } from '../../src/model/policy/config.ts';
import { openCheckpoint } from '../../src/model/weights/checkpoint.ts';
import { openExportCase, type ExportCase } from '../../tools/interop/golden-state.ts';
import '../setup/compare.ts';
import { ADAPTER, memoryFolder, openIn, readTextIn, stateDifference } from './export-cases.ts';

const QUERIES = 'action_queries.weight';

/** What a run of our own would leave: every value its own, so that none can be taken for another. */
async function madeState({ base, meta }: ExportCase): Promise<TrainedState> {
  const { config, source } = base;
  const parameters = await initialParameters(config, source, { lora: { r: 4, alpha: 8 }, seed: 3 });
  const values = new Map([...parameters.trained, ...parameters.idle]);
  for (const [name, { shape, data }] of values) {
    const own = name.includes('lm_head') && name.includes('lora_B') ? data : data.map((x, i) => x + i / 1e4);
    values.set(name, { shape, data: own });
  }
  const statistics = { [meta.unnorm_key]: config.statistics[meta.unnorm_key] };
  return trainedState({ run: 'own', step: 7, own: null, statistics }, parameters, values);
}

describe.each(['vla-adapter-pro', 'openvla-ar'])('what was trained on %s', (name) => {
  it('is exported under the names that peft writes, and imported again to the bit', async () => {
    const opened = await openExportCase(name);
    const state = await madeState(opened);
    const folder = await memoryFolder(exportCheckpoint(state, opened.base));
    const { entries } = await openIn(folder, ADAPTER);
    const shapes = Object.fromEntries([...entries].map(([key, { shape }]) => [key, [...shape]]));
    expect(shapes).toEqual(opened.meta.adapter.keys);
    const again = await importCheckpoint(folder, { config: opened.base.config, shapes: opened.shapes });
    expect(stateDifference(again, state)).toBeNull();
  });

  it('opens merged as the same kind of policy', async () => {
    const opened = await openExportCase(name);
    const { upstreamConfig: _, ...base } = opened.base;
    const folder = await memoryFolder(exportMerged(await madeState(opened), base));
    const checkpoint = await openCheckpoint(folder);
    const config = policyConfigFromCheckpoint({
      ...checkpoint,
      shapes: new Map([...checkpoint.tensors.entries].map(([key, { shape }]) => [key, shape])),
      ...(name === 'openvla-ar' ? { decoding: 'autoregressive' as const } : {}),
      profile: 'libero',
      unnormKey: opened.meta.unnorm_key,
    });
    expect(config.network).toEqual(base.config.network);
    expect(config.head).toBe(base.config.head);
  });
});

describe('VLA-Adapter’s action queries', () => {
  it('lie beside an adapter, which says so, and in a merged model', async () => {
    const opened = await openExportCase('vla-adapter-pro');
    const state = await madeState(opened);
    const apart = await memoryFolder(exportCheckpoint(state, opened.base));
    expect(apart.files).toContain('action_queries--7_checkpoint.pt');
    expect(readTextIn(apart, 'lora_adapter/README.md')).toContain('action_queries--7_checkpoint.pt');
    const merged = await memoryFolder(exportMerged(state, opened.base));
    expect(merged.files).not.toContain('action_queries--7_checkpoint.pt');
    const model = await openIn(merged, 'model.safetensors');
    expect(await model.readFloat32(QUERIES)).toBeNear(state.modules.get(QUERIES)!.data, 0, QUERIES);
    // The embeddings are the head of a tied model: its LoRA is not merged into them.
    const embedding = 'language_model.model.embed_tokens.weight';
    expect(model.entries.has('language_model.lm_head.weight')).toBe(false);
    const base = await openCheckpoint(opened.files);
    expect(await model.readFloat32(embedding)).toBeNear(
      await base.tensors.readFloat32(embedding),
      0,
      embedding,
    );
    const again = await importCheckpoint(merged, { config: opened.base.config, shapes: opened.shapes });
    expect(again.modules.get(QUERIES)!.data).toBeNear(state.modules.get(QUERIES)!.data, 0, QUERIES);
  });

  it('are missed in upstream’s adapter folder, in a message that says where they are', async () => {
    const opened = await openExportCase('vla-adapter-pro');
    const folder = await memoryFolder(exportCheckpoint(await madeState(opened), opened.base));
    const files = folder.files.filter((path) => !path.startsWith('action_queries'));
    const imported = importCheckpoint(
      { ...folder, files },
      { config: opened.base.config, shapes: opened.shapes },
    );
    await expect(imported).rejects.toThrow(/action queries are missing/);
  });
});
