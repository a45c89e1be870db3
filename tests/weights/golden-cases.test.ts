import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/model/weights/checkpoint.ts';
import { mergeLora, peftPairs } from '../../src/model/weights/lora-merge.ts';
import { openSafetensors } from '../../src/model/weights/safetensors.ts';
import { diskCheckpoint, openDiskFile } from '../../tools/node/disk-folder.ts';
import '../setup/compare.ts';
import { loadJson } from '../setup/fixture.ts';
import { loadSafetensors } from '../setup/safetensors.ts';

const MODULES: Record<string, string[]> = {
  'libero-l1': ['action_head', 'proprio_projector'],
  'siglip-only-l1': ['action_head'],
  'libero-diffusion': ['action_head', 'noisy_action_projector', 'proprio_projector'],
  'aloha-film-l1': ['action_head', 'proprio_projector'],
  discrete: [],
};

/** FiLM's vision LoRA lies in vision_backbone--N_checkpoint.pt too, and upstream's merge leaves it out. */
const FILM = 'vision_backbone.vision_backbone.';

/** The fixture leaves out the pair of this large layer (vocabulary 32064). */
const WITHOUT_PAIR = new Set(['libero-l1 language_model.lm_head.weight']);

describe.each(Object.entries(MODULES))('%s', (name, modules) => {
  const folder = `tests/golden/${name}`;

  it('opens, with the model’s own bytes and its modules under their names', async () => {
    const { tensors, config, statistics } = await openCheckpoint(diskCheckpoint(folder));
    const parts = new Set([...tensors.entries.keys()].map((key) => key.split('.')[0]));
    expect(parts).toEqual(new Set([...modules, 'language_model', 'projector', 'vision_backbone']));
    expect(config['model_type']).toBe('openvla');
    expect(Object.keys(statistics!)).toHaveLength(1);
    const golden = await loadSafetensors(`${folder}/model.safetensors`);
    for (const key of ['language_model.model.norm.weight', 'projector.fc1.weight'])
      expect(await tensors.readFloat32(key)).toBeNear(golden(key).f32, 0, key);
    expect(tensors.entries.has('vision_backbone.featurizer.blocks.0.scale.weight')).toBe(
      name === 'aloha-film-l1',
    );
  });

  it('has an adapter for the weights that upstream’s merge changed, and no other', async () => {
    const { merged } = await loadJson<{ merged: { changed_keys: string[] } }>(`${folder}/meta.json`);
    const base = await openSafetensors(await openDiskFile(`${folder}/model.safetensors`));
    const adapter = await openSafetensors(
      await openDiskFile(`${folder}/lora_adapter/adapter_model.safetensors`),
    );
    const pairs = peftPairs(adapter);
    expect(merged.changed_keys.length).toBeGreaterThan(20);
    const adapted = [...pairs.keys()].filter((key) => !key.startsWith(FILM));
    const stored = merged.changed_keys.filter((key) => !WITHOUT_PAIR.has(`${name} ${key}`));
    expect(adapted.toSorted()).toEqual(stored.toSorted());
    expect(adapted.length < pairs.size).toBe(name === 'aloha-film-l1');
    for (const key of pairs.keys()) if (key.startsWith(FILM)) pairs.delete(key);
    const view = mergeLora(base, adapter, pairs, 1);
    for (const key of pairs.keys())
      expect(view.entries.get(key)!.shape).toEqual(base.entries.get(key)!.shape);
    const plain = await base.readFloat32('projector.fc1.weight');
    const changed = await view.readFloat32('projector.fc1.weight');
    expect(changed.some((value, i) => value !== plain[i])).toBe(true);
  });
});
