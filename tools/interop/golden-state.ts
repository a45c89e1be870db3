/** Golden cases as trained states: what upstream's run had after its fifth step. Used by the tests, too. */
import type { ExportBase } from '../../src/model/finetune/export-checkpoint.ts';
import { importCheckpoint } from '../../src/model/finetune/import-checkpoint.ts';
import { packageName } from '../../src/model/finetune/import-checkpoint-names.ts';
import { shapesOf } from '../../src/model/finetune/parameters.ts';
import type { HostTensor, TrainedState } from '../../src/model/finetune/trained.ts';
import type { Bits } from '../../src/model/network/storage-encoding.ts';
import { checkpointSource } from '../../src/model/policy/checkpoint-source.ts';
import { openCheckpoint } from '../../src/model/weights/checkpoint.ts';
import { openSafetensors } from '../../src/model/weights/safetensors.ts';
import { overlay } from '../../src/model/weights/tensor-file.ts';
import { caseConfig } from '../parity/case-config.ts';
import { openTensors, readJson, type CaseFiles, type GoldenMeta } from '../parity/golden.ts';
import { folderFiles } from '../parity/host.ts';

export const CASES = [
  'libero-l1',
  'siglip-only-l1',
  'libero-diffusion',
  'aloha-film-l1',
  'discrete',
] as const;

export interface ExportMeta extends GoldenMeta {
  readonly adapter: { readonly keys: Readonly<Record<string, readonly number[]>> };
}

export interface ExportCase {
  readonly files: CaseFiles;
  readonly meta: ExportMeta;
  readonly base: ExportBase;
  readonly shapes: ReturnType<typeof shapesOf>;
}

/** The case's base without the LoRA that FiLM's backbone file brings: what training started from. */
export async function openExportCase(name: string, bits: Bits = 32): Promise<ExportCase> {
  const files = folderFiles(`tests/golden/${name}`);
  const meta = await readJson<ExportMeta>(files, 'meta.json');
  const io = await openTensors(files, 'io.safetensors');
  const checkpoint = await openCheckpoint(files);
  const config = caseConfig(checkpoint, meta, io.has('proprio_token'));
  const model = await openSafetensors(await files.open('model.safetensors'));
  const source = checkpointSource(overlay(checkpoint.tensors, model), bits);
  const base = { config, source, name: `openvla/tiny-${name}`, upstreamConfig: checkpoint.config };
  return { files, meta, base, shapes: shapesOf(source) };
}

export const importCase = ({ files, base, shapes }: ExportCase): Promise<TrainedState> =>
  importCheckpoint(files, { config: base.config, shapes });

/** The state after the golden run's fifth step: its lora_adapter, and the modules as train_warm.safetensors has them then. */
export async function stepFive(opened: ExportCase): Promise<TrainedState> {
  const { files } = opened;
  const state = await importCase(opened);
  const adapter = await openTensors(files, 'lora_adapter/adapter_model.safetensors');
  const warm = await openTensors(files, 'train_warm.safetensors');
  const tensor = async (from: typeof warm, name: string): Promise<HostTensor> => ({
    shape: from.shape(name),
    data: Float32Array.from(await from.numbers(name)),
  });
  const parts = new Map<string, HostTensor>();
  for (const name of adapter.names) parts.set(packageName(name), await tensor(adapter, name));
  const adapters = new Map(
    [...state.adapters.keys()].map((module) => [
      module,
      { a: parts.get(`${module}.lora_A.weight`)!, b: parts.get(`${module}.lora_B.weight`)! },
    ]),
  );
  // FiLM of the last block never runs, so that no step has changed it and the file leaves it out.
  const modules = new Map(state.modules);
  for (const name of warm.names.filter((each) => each.startsWith('step5/'))) {
    const own = packageName(name.slice('step5/'.length));
    if (state.modules.has(own)) modules.set(own, await tensor(warm, name));
  }
  return { ...state, run: 'golden', step: 5, adapters, modules };
}
