/** Exports a trained state for check.py: of a golden case, or of any robot that a policy was taught. */
import { mkdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import {
  checkpointFolderName,
  exportCheckpoint,
  exportMerged,
  type ExportBase,
} from '../../src/model/finetune/export-checkpoint.ts';
import { LoadedAdapter } from '../../src/model/finetune/loaded-adapter.ts';
import { resolveLora } from '../../src/model/finetune/lora.ts';
import type { HostTensor, TrainedState } from '../../src/model/finetune/trained.ts';
import { adaptedConfig } from '../../src/model/policy/own-config.ts';
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

/** What check.py judges. */
export interface Subject {
  readonly name: string;
  /** What it was trained on. */
  readonly base: ExportBase;
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly state: TrainedState;
  /** The base in float32, for Python: a safetensors file. */
  readonly baseModel: string;
  /** `pixels` [images, 3 · backbones, H, W], and by name `proprio` [1, dim], `noise` [1, chunk, dim]; both normalised. */
  readonly inputs: ReadonlyMap<string, HostTensor>;
  readonly promptIds: readonly number[];
  /** Sentences with the tokens that ours makes of them. */
  readonly sentences: Readonly<Record<string, readonly number[]>>;
  /** Of the tokenizer; null where it has none. */
  readonly padToken: number | null;
  readonly maxShardBytes: number;
}

export interface Prepared extends Subject {
  readonly folder: string;
  /** Ours, normalised. */
  readonly actions: readonly number[];
}

/** Writes what check.py reads below `folder`, and computes our own actions. */
export async function prepare(subject: Subject, folder: string, runtime: Runtime): Promise<Prepared> {
  const { base, state, inputs, maxShardBytes } = subject;
  await writeFolder(join(folder, 'export'), exportCheckpoint(state, base));
  await writeFolder(join(folder, 'merged'), exportMerged(state, base, { maxShardBytes }));
  await writeFile(join(folder, 'inputs.safetensors'), await collectBytes(safetensorsFile(inputs)));
  await writeFile(join(folder, 'case.json'), JSON.stringify(describe(subject)));
  return { ...subject, folder, actions: await ourActions(subject, runtime) };
}

/** A golden case after the fifth step of upstream's run. */
export async function goldenSubject(name: string): Promise<Subject> {
  const opened = await openExportCase(name);
  const tokenize = await llama2Tokenize();
  const sentences = ['put the red mug on the left plate', 'Öffne die Tür, bitte: 3×'].map((text) =>
    promptFor(text),
  );
  const io = await openTensors(opened.files, 'io.safetensors');
  return {
    name,
    base: {
      ...opened.base,
      tokenizer: new TextEncoder().encode(JSON.stringify(await llama2TokenizerJson())),
    },
    shapes: opened.shapes,
    state: completed(await stepFive(opened), opened),
    baseModel: resolve('tests/golden', name, 'model.safetensors'),
    inputs: await inputsOf(opened),
    promptIds: [...(await io.numbers('prompt_input_ids'))],
    sentences: Object.fromEntries(sentences.map((sentence) => [sentence, tokenize(sentence)])),
    padToken: 32_000,
    maxShardBytes: 150_000,
  };
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
function describe({ base, state, baseModel, promptIds, sentences, padToken }: Subject): object {
  const { source } = base;
  const config = adaptedConfig(base.config, state);
  const { vits, language, projectorLayers } = config.network;
  return {
    name: checkpointFolderName(state),
    step: state.step,
    base_model: baseModel,
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
    promptIds,
    empty: config.tokens.empty,
    placeholder: config.tokens.placeholder,
    stop: config.tokens.stop,
    base: config.tokens.vocabulary,
    bins: config.actionBins,
    trainSteps: config.diffusion?.trainSteps,
    steps: config.diffusion?.inferenceSteps,
    tokens: sentences,
    padToken,
  };
}

async function ourActions({ base, state, inputs, promptIds }: Subject, runtime: Runtime): Promise<number[]> {
  const original = await Policy.load(base.config, base.source, runtime);
  const policy = state.own
    ? await original.withConfig(adaptedConfig(base.config, state), base.source)
    : original;
  const adapter = new LoadedAdapter(runtime, base.config, state);
  policy.use(adapter);
  const { data, shape } = inputs.get('pixels')!;
  const pixels = runtime.upload(data, shape);
  const noise = inputs.get('noise')?.data;
  const proprio = inputs.get('proprio');
  const actions = await policy.predict({
    pixels,
    promptIds,
    proprio: proprio ? [...proprio.data] : null,
    ...(noise ? { noise } : {}),
  });
  pixels.dispose();
  adapter.dispose();
  if (policy !== original) await policy.dispose();
  await original.dispose();
  return actions.flat();
}
