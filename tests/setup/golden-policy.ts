/** Golden cases as policies, for tests that need a real network. Node only. */
import type { Shape } from '../../src/model/graph/types.ts';
import { checkpointSource } from '../../src/model/policy/checkpoint-source.ts';
import type { PolicyConfig } from '../../src/model/policy/config.ts';
import type { WeightSource } from '../../src/model/network/loaded-weights.ts';
import { shapesOf } from '../../src/model/finetune/parameters.ts';
import { openCheckpoint } from '../../src/model/weights/checkpoint.ts';
import { caseConfig } from '../../tools/parity/case-config.ts';
import { openTensors, readJson, type GoldenMeta } from '../../tools/parity/golden.ts';
import { folderFiles } from '../../tools/parity/host.ts';

export async function openCase(
  name: string,
  bits: 32 | 8 | 4 = 32,
): Promise<{ meta: GoldenMeta; config: PolicyConfig; source: WeightSource; shapes: Map<string, Shape> }> {
  const files = folderFiles(`tests/golden/${name}`);
  const meta = await readJson<GoldenMeta>(files, 'meta.json');
  const io = await openTensors(files, 'io.safetensors');
  const checkpoint = await openCheckpoint(files);
  const source = checkpointSource(checkpoint.tensors, bits);
  return {
    meta,
    config: caseConfig(checkpoint, meta, io.has('proprio_token')),
    source,
    shapes: shapesOf(source),
  };
}
