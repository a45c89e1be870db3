import { describe, expect, it } from 'vitest';
import { exportCheckpoint, exportMerged } from '../../src/model/finetune/export-checkpoint.ts';
import { checkpointSource } from '../../src/model/policy/checkpoint-source.ts';
import { openCheckpoint } from '../../src/model/weights/checkpoint.ts';
import { CASES, openExportCase, stepFive } from '../../tools/interop/golden-state.ts';
import { caseConfig } from '../../tools/parity/case-config.ts';
import '../setup/compare.ts';
import { memoryFolder, openIn, readTextIn } from './export-cases.ts';

describe('exportMerged', () => {
  // Sums of r products in another order than torch's: some units of the last place.
  const TOLERANCE = 2e-6;

  it.each(['siglip-only-l1', 'aloha-film-l1'] as const)(
    '%s equals upstream’s merged weights',
    async (name) => {
      const opened = await openExportCase(name);
      const state = await stepFive(opened);
      const folder = await memoryFolder(exportMerged(state, opened.base));
      const merged = await openIn(folder, 'model.safetensors');
      const golden = await openIn(opened.files, 'merged.safetensors');
      const model = await openIn(opened.files, 'model.safetensors');
      expect([...merged.entries.keys()].toSorted()).toEqual([...model.entries.keys()].toSorted());
      expect(golden.entries.size).toBeGreaterThan(20);
      for (const key of merged.entries.keys()) {
        const changed = golden.entries.has(key);
        const expected = await (changed ? golden : model).readFloat32(key);
        expect(await merged.readFloat32(key)).toBeNear(expected, changed ? TOLERANCE : 0, key);
      }
    },
  );

  it.each(CASES)('%s opens again as the policy it was, with the state’s modules', async (name) => {
    const opened = await openExportCase(name);
    const state = await stepFive(opened);
    const { upstreamConfig: _, ...withoutConfig } = opened.base;
    for (const base of [opened.base, withoutConfig]) {
      const checkpoint = await openCheckpoint(await memoryFolder(exportMerged(state, base)));
      const config = caseConfig(checkpoint, opened.meta, opened.base.config.profile.state !== null);
      expect(config).toEqual(opened.base.config);
      for (const [key, { data }] of state.modules) {
        expect(await checkpoint.tensors.readFloat32(key)).toBeNear(data, 0, key);
      }
    }
  });

  it('is sharded where it is large, and says that the base was quantised', async () => {
    const opened = await openExportCase('siglip-only-l1', 8);
    const state = await stepFive(opened);
    const files = exportMerged(state, opened.base, { maxShardBytes: 50_000, dtype: 'bfloat16' });
    const folder = await memoryFolder(files);
    expect(folder.files.filter((path) => path.startsWith('model-')).length).toBeGreaterThan(3);
    expect(readTextIn(folder, 'README.md')).toContain('quantised');
    expect(readTextIn(folder, 'lora_adapter/README.md')).toContain('quantised');
    const { tensors } = await openCheckpoint(folder);
    const name = 'language_model.model.layers.0.mlp.up_proj';
    const weight = await checkpointSource(tensors, 32).load(`${name}.weight`);
    expect(weight.shape).toEqual(opened.shapes.get(`${name}.weight`));
    const exact = await memoryFolder(exportCheckpoint(state, (await openExportCase('siglip-only-l1')).base));
    expect(readTextIn(exact, 'lora_adapter/README.md')).not.toContain('quantised');
  });

  it('refuses a state of another policy before anything is read', async () => {
    const state = await stepFive(await openExportCase('siglip-only-l1'));
    const { base } = await openExportCase('libero-l1');
    for (const call of [exportCheckpoint, exportMerged]) {
      expect(() => call(state, base)).toThrow(expect.objectContaining({ code: 'bad-shape' }));
    }
  });
});
