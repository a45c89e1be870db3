/** Exported and imported states against upstream's own actions after five steps (merged_io.safetensors). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportCheckpoint, exportMerged } from '../../src/model/finetune/export-checkpoint.ts';
import { importCheckpoint } from '../../src/model/finetune/import-checkpoint.ts';
import { LoadedAdapter } from '../../src/model/finetune/loaded-adapter.ts';
import { checkpointSource } from '../../src/model/policy/checkpoint-source.ts';
import type { WeightSource } from '../../src/model/network/loaded-weights.ts';
import { Policy } from '../../src/model/policy/policy.ts';
import { createNodeRuntime } from '../../src/model/runtime/node.ts';
import type { Runtime } from '../../src/model/runtime/runtime.ts';
import { openCheckpoint } from '../../src/model/weights/checkpoint.ts';
import { openTensors } from '../../tools/parity/golden.ts';
import '../setup/compare.ts';
import { CASES, openExportCase, stepFive, type ExportCase } from '../../tools/interop/golden-state.ts';
import { memoryFolder } from './export-cases.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(async () => {
  await runtime.dispose();
});

/** tests/golden/README.md: actions in float32; a free diffusion trajectory amplifies rounding. */
const tolerance = (name: string) => (name === 'libero-diffusion' ? 1e-2 : 3e-4);

async function predict(policy: Policy, { files, base }: ExportCase): Promise<number[]> {
  const { config } = base;
  const io = await openTensors(files, 'io.safetensors');
  const merged = await openTensors(files, 'merged_io.safetensors');
  const float32 = async (from: typeof io, name: string) => Float32Array.from(await from.numbers(name));
  const side = config.network.vits[0]!.imageSize;
  const channels = 3 * config.network.vits.length;
  const pixels = runtime.upload(await float32(io, 'pixel_values'), [
    config.profile.images.length,
    channels,
    side,
    side,
  ]);
  const normalized = await policy.predict({
    pixels,
    promptIds: [...(await io.numbers('prompt_input_ids'))],
    proprio: config.profile.state ? [...(await io.numbers('proprio_normalized'))] : null,
    ...(merged.has('merged/ddim/noise') ? { noise: await float32(merged, 'merged/ddim/noise') } : {}),
  });
  pixels.dispose();
  return policy.unnormalize(normalized, config.defaultUnnormKey).flat();
}

async function actions(opened: ExportCase, source: WeightSource, adapter?: LoadedAdapter): Promise<number[]> {
  const policy = await Policy.load(opened.base.config, source, runtime);
  try {
    if (adapter) policy.use(adapter);
    return await predict(policy, opened);
  } finally {
    await policy.dispose();
    adapter?.dispose();
  }
}

describe.each(CASES)('%s after five steps', (name) => {
  it('acts as upstream’s merged model, when imported as an adapter and when merged', async () => {
    const opened = await openExportCase(name);
    const { base, shapes, files } = opened;
    const golden = await (await openTensors(files, 'merged_io.safetensors')).numbers('merged/actions');
    const state = await stepFive(opened);

    const folder = await memoryFolder(exportCheckpoint(state, base));
    const imported = await importCheckpoint(folder, { config: base.config, shapes });
    const adapter = new LoadedAdapter(runtime, base.config, imported);
    const adapted = await actions(opened, base.source, adapter);
    expect(adapted).toBeNear(golden, tolerance(name), 'actions of the adapter');

    const checkpoint = await openCheckpoint(await memoryFolder(exportMerged(state, base)));
    const merged = await actions(opened, checkpointSource(checkpoint.tensors, 32));
    expect(merged).toBeNear(golden, tolerance(name), 'actions of the merged checkpoint');

    // The oracle tells them apart: the base itself acts otherwise.
    const plain = await actions(opened, base.source);
    expect(plain.some((value, i) => Math.abs(value - golden[i]!) > 10 * tolerance(name))).toBe(true);
  });
});
