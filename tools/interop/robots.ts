/** What the shipped policy learns of other robots' datasets, for check.py: profile guessed, head and projectors new, LoRA. */
import { mkdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isOutside } from '../../src/model/finetune/export-checkpoint.ts';
import { baseTensors } from '../../src/model/finetune/export-checkpoint-tensors.ts';
import { shapesOf } from '../../src/model/finetune/parameters.ts';
import type { HostTensor } from '../../src/model/finetune/trained.ts';
import { gaussianNoise } from '../../src/model/heads/noise.ts';
import { adaptedConfig } from '../../src/model/policy/own-config.ts';
import { promptFor } from '../../src/model/policy/prompt.ts';
import { fromFile, safetensorsFile } from '../../src/model/weights/safetensors-writer.ts';
import { collectBytes } from '../../src/model/weights/zip-writer.ts';
import { openDataset } from '../../src/episodes/open-dataset.ts';
import { openNodePolicy, type NodePolicy } from '../evaluate/node-policy.ts';
import { registerDecoders } from '../node/decoders.ts';
import { openPlace } from '../node/disk-folder.ts';
import { teachDataset, type Taught } from '../teach/teach-dataset.ts';
import type { Subject } from './prepare.ts';

const FIXTURES = 'tests/episodes/fixtures';
export const ROBOT_DATASETS = [
  `${FIXTURES}/so101`,
  `${FIXTURES}/hdf5-aloha`,
  `${FIXTURES}/rlds`,
  `${FIXTURES}/v21`,
] as const;

/** Each dataset with an L1 head and with a diffusion head. */
export async function robotSubjects(
  datasets: readonly string[],
  steps: number,
  work: string,
): Promise<Subject[]> {
  await registerDecoders();
  const opened = await openNodePolicy('public/models/default');
  const baseModel = join(work, 'base', 'model.safetensors');
  await writeBase(opened, baseModel);
  const subjects: Subject[] = [];
  for (const path of datasets) {
    for (const head of ['l1', 'diffusion'] as const) {
      const dataset = await openDataset(await openPlace(path));
      const options = { head, steps, batchSize: 4, learningRate: 5e-4, r: 32, seed: 1 };
      const taught = await teachDataset(dataset, opened, options);
      await dataset.close();
      // A folder is often called `dataset`, in one that says which.
      const name = basename(path) === 'dataset' ? basename(dirname(path)) : basename(path);
      subjects.push(subjectOf(`robots-${name}-${head}`, taught, opened, baseModel));
    }
  }
  return subjects;
}

/** The base decoded to float32, as Python loads it. */
async function writeBase({ source }: NodePolicy, path: string): Promise<void> {
  const tensors = baseTensors(source);
  const names = source.names.filter((name) => !isOutside(name));
  const file = safetensorsFile(new Map(names.map((name) => [name, fromFile(tensors, name)])));
  mkdirSync(dirname(path), { recursive: true });
  await writeFile(path, await collectBytes(file));
}

function subjectOf(name: string, { state, first }: Taught, opened: NodePolicy, baseModel: string): Subject {
  const { policy, source, tokenize, tokenizer } = opened;
  const { network, profile, head } = adaptedConfig(policy.config, state);
  const side = network.vits[0]!.imageSize;
  const inputs = new Map<string, HostTensor>([
    [
      'pixels',
      {
        shape: [profile.images.length, 3 * network.vits.length, side, side],
        data: Float32Array.from(first.pixels),
      },
    ],
  ]);
  if (first.proprio)
    inputs.set('proprio', { shape: [1, first.proprio.length], data: Float32Array.from(first.proprio) });
  if (head === 'diffusion') {
    const shape = [1, profile.chunkSize, profile.actions.length];
    inputs.set('noise', { shape, data: Float32Array.from(gaussianNoise(shape[1]! * shape[2]!, 1)) });
  }
  const sentences = ['lift the red block', 'Put the BLUE can on the plate, please.'].map((text) =>
    promptFor(text),
  );
  return {
    name,
    base: {
      config: policy.config,
      source,
      name: opened.name,
      tokenizer: new TextEncoder().encode(JSON.stringify(tokenizer)),
    },
    shapes: shapesOf(source),
    state,
    baseModel,
    inputs,
    promptIds: first.promptIds,
    sentences: Object.fromEntries(sentences.map((sentence) => [sentence, tokenize(sentence)])),
    padToken: null,
    maxShardBytes: 2_000_000,
  };
}
