/** Exports a golden case for check.py. */
import { mkdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import {
  checkpointFolderName,
  exportCheckpoint,
  exportMerged,
} from '../../src/model/finetune/export-checkpoint.ts';
import { LoadedAdapter } from '../../src/model/finetune/loaded-adapter.ts';
import { resolveLora } from '../../src/model/finetune/lora.ts';
import type { HostTensor, TrainedState } from '../../src/model/finetune/trained.ts';
import { Policy } from '../../src/model/policy/policy.ts';
import { promptFor } from '../../src/model/policy/prompt.ts';
import type { Runtime } from '../../src/model/runtime/runtime.ts';
import { safetensorsFile } from '../../src/model/weights/safetensors-writer.ts';
import type { FolderFile } from '../../src/model/weights/zip-folder.ts';
import { collectBytes } from '../../src/model/weights/zip-writer.ts';
import { llama2TokenizerJson } from '../../src/convert/llama2-tokenizer.ts';
import { openTensors } from '../parity/golden.ts';
import { llama2Tokenize } from '../parity/tokenize.ts';
import { openExportCase, stepFive, type ExportCase } from './golden-state.ts';

export interface Prepared {
  readonly name: string;
  readonly folder: string;
  readonly opened: ExportCase;
  readonly state: TrainedState;
  /** Ours, normalised. */
  readonly actions: readonly number[];
}

/** Writes what check.py reads below `folder`, and computes our own actions. */
export async function prepare(name: string, folder: string, runtime: Runtime): Promise<Prepared> {
  const opened = await openExportCase(name);
  const state = completed(await stepFive(opened), opened);
  const tokenizer = new TextEncoder().encode(JSON.stringify(await llama2TokenizerJson()));
  const base = { ...opened.base, tokenizer };
  await writeFolder(join(folder, 'export'), exportCheckpoint(state, base));
  await writeFolder(join(folder, 'merged'), exportMerged(state, base, { maxShardBytes: 150_000 }));
  const inputs = await inputsOf(opened);
  await writeFile(join(folder, 'inputs.safetensors'), await collectBytes(safetensorsFile(inputs)));
  await writeFile(join(folder, 'case.json'), JSON.stringify(await describe(opened, state)));
  return { name, folder, opened, state, actions: await ourActions(opened, state, inputs, runtime) };
}

const zeros = (shape: readonly number[]): HostTensor => ({
  shape,
  data: new Float32Array(shape.reduce((product, dim) => product * dim, 1)),
});

/** A fixture leaves out a large pair that L1 never runs; PEFT saves every pair. */
function completed(state: TrainedState, { shapes }: ExportCase): TrainedState {
  const { r, alpha } = state.lora!;
  const adapters = new Map(state.adapters);
  for (const { name, a, b } of resolveLora(shapes, { r, alpha }).modules) {
    if (!adapters.has(name)) adapters.set(name, { a: zeros(a), b: zeros(b) });
  }
  return { ...state, adapters };
}

async function writeFolder(folder: string, files: readonly FolderFile[]): Promise<void> {
  for (const file of files) {
    const path = join(folder, file.path);
    mkdirSync(dirname(path), { recursive: true });
    await writeFile(path, file.chunks());
  }
}

async function inputsOf({ files, base }: ExportCase): Promise<Map<string, HostTensor>> {
  const { config } = base;
  const io = await openTensors(files, 'io.safetensors');
  const float32 = async (name: string) => Float32Array.from(await io.numbers(name));
  const { imageSize } = config.network.vits[0]!;
  const images = config.profile.images.length;
  const inputs = new Map<string, HostTensor>([
    [
      'pixels',
      {
        shape: [images, 3 * config.network.vits.length, imageSize, imageSize],
        data: await float32('pixel_values'),
      },
    ],
  ]);
  if (config.profile.state) {
    inputs.set('proprio', {
      shape: [1, config.profile.state.length],
      data: await float32('proprio_normalized'),
    });
  }
  if (config.head === 'diffusion') {
    const { chunkSize, actions } = config.profile;
    inputs.set('noise', { shape: [1, chunkSize, actions.length], data: await float32('ddim/noise') });
  }
  return inputs;
}

/** What check.py has to know, in one file. */
async function describe({ files, base }: ExportCase, state: TrainedState): Promise<object> {
  const { config, source } = base;
  const { vits, language, projectorLayers } = config.network;
  const io = await openTensors(files, 'io.safetensors');
  const tokenize = await llama2Tokenize();
  const prompts = [promptFor('put the red mug on the left plate'), promptFor('Öffne die Tür, bitte: 3×')];
  return {
    name: checkpointFolderName(state),
    step: state.step,
    base_model: resolve('tests/golden', files.name, 'model.safetensors'),
    film: vits.some(({ film }) => film),
    vits: vits.map((vit) => ({ ...vit, mlp: source.shapeOf(`${vit.prefix}.blocks.0.mlp.fc1.weight`)[0] })),
    projectorLayers,
    llama: {
      ...language,
      intermediate: source.shapeOf('language_model.model.layers.0.mlp.gate_proj.weight')[0],
    },
    head: config.head,
    chunk: config.profile.chunkSize,
    actionDim: config.profile.actions.length,
    proprioDim: config.profile.state?.length ?? null,
    promptIds: [...(await io.numbers('prompt_input_ids'))],
    empty: config.tokens.empty,
    placeholder: config.tokens.placeholder,
    stop: config.tokens.stop,
    base: config.tokens.vocabulary,
    bins: config.actionBins,
    trainSteps: config.diffusion?.trainSteps,
    steps: config.diffusion?.inferenceSteps,
    tokens: Object.fromEntries(prompts.map((prompt) => [prompt, tokenize(prompt)])),
  };
}

async function ourActions(
  { files, base }: ExportCase,
  state: TrainedState,
  inputs: ReadonlyMap<string, HostTensor>,
  runtime: Runtime,
): Promise<number[]> {
  const policy = await Policy.load(base.config, base.source, runtime);
  const adapter = new LoadedAdapter(runtime, base.config, state);
  policy.use(adapter);
  const io = await openTensors(files, 'io.safetensors');
  const { data, shape } = inputs.get('pixels')!;
  const pixels = runtime.upload(data, shape);
  const noise = inputs.get('noise')?.data;
  const proprio = inputs.get('proprio');
  const actions = await policy.predict({
    pixels,
    promptIds: [...(await io.numbers('prompt_input_ids'))],
    proprio: proprio ? [...proprio.data] : null,
    ...(noise ? { noise } : {}),
  });
  pixels.dispose();
  adapter.dispose();
  await policy.dispose();
  return actions.flat();
}
