/** A golden case of fine-tuning (train*.safetensors), with PyTorch's batch, initial values and draws. */
import type { Sample } from '../../src/model/finetune/micro-batch.ts';
import { initialParameters, type Parameters } from '../../src/model/finetune/parameters.ts';
import type { PassOptions } from '../../src/model/finetune/pass.ts';
import type { HostTensor } from '../../src/model/finetune/trained.ts';
import { upstreamName } from '../../src/model/finetune/upstream-names.ts';
import type { WeightSource } from '../../src/model/network/loaded-weights.ts';
import type { Partition } from '../../src/model/network/network.ts';
import type { Bits } from '../../src/model/network/storage-encoding.ts';
import { checkpointSource, decodedSource } from '../../src/model/policy/checkpoint-source.ts';
import type { PolicyConfig } from '../../src/model/policy/config.ts';
import { Policy } from '../../src/model/policy/policy.ts';
import type { Runtime } from '../../src/model/runtime/runtime.ts';
import { openCheckpoint } from '../../src/model/weights/checkpoint.ts';
import { openSafetensors } from '../../src/model/weights/safetensors.ts';
import { overlay } from '../../src/model/weights/tensor-file.ts';
import { caseConfig } from './case-config.ts';
import { openTensors, readJson, type CaseFiles, type GoldenMeta, type GoldenTensors } from './golden.ts';

interface Variant {
  losses: number[];
  metrics?: Record<string, number>[];
  lr: number[];
  /** A list, or a note that it is another variant's. */
  no_grad_params: string[] | string;
  file: string;
}

export interface TrainMeta extends GoldenMeta {
  train: {
    lora: { r: number; lora_alpha: number; lora_modules: string[]; target_modules: string[] };
    variants: Record<string, Variant>;
  };
}

/** A golden case ready to be trained. */
export interface TrainCase {
  readonly meta: TrainMeta;
  readonly config: PolicyConfig;
  readonly policy: Policy;
  readonly source: WeightSource;
  readonly samples: readonly Sample[];
  /** The file that holds `batch/`. */
  readonly batch: GoldenTensors;
  parameters(variant: string): Promise<Parameters>;
  /** What PyTorch drew for a step, as options of the pass. */
  drawn(variant: string, step: number): Promise<Pick<PassOptions, 'draws'>>;
  golden(variant: string): Promise<GoldenTensors>;
}

export async function openTrainCase(
  files: CaseFiles,
  runtime: Runtime,
  options: { bits: Bits; partition?: Partition; decoded?: boolean },
): Promise<TrainCase> {
  const meta = await readJson<TrainMeta>(files, 'meta.json');
  const io = await openTensors(files, 'io.safetensors');
  const checkpoint = await openCheckpoint(files);
  const config = caseConfig(checkpoint, meta, io.has('proprio_token'));
  // A vision_backbone--*.pt carries a LoRA of its own, merged when the checkpoint is opened; training starts without it.
  const base = await openSafetensors(await files.open('model.safetensors'));
  const packed = checkpointSource(overlay(checkpoint.tensors, base), options.bits);
  const source = options.decoded ? decodedSource(packed) : packed;
  const policy = await Policy.load(
    config,
    source,
    runtime,
    options.partition ? { partition: options.partition } : {},
  );
  const cold = await openTensors(files, 'train.safetensors');
  const golden = async (variant: string) => openTensors(files, meta.train.variants[variant]!.file);
  const film = config.network.vits.some((vit) => vit.film);
  /** Schedules start from the warm values, and their files hold none. */
  const starting = async (variant: string) => {
    const own = await golden(variant);
    return own.names.some((name) => name.startsWith('init/')) ? own : golden('warm');
  };
  return {
    meta,
    config,
    policy,
    source,
    samples: await goldenSamples(cold, config),
    batch: cold,
    golden,
    parameters: async (variant) => {
      const { r, lora_alpha: alpha } = meta.train.lora;
      const initial = await initialParameters(config, source, { lora: { r, alpha }, seed: 0 });
      const init = await starting(variant);
      const given = async (name: string, tensor: HostTensor): Promise<HostTensor> => {
        const stored = `init/${upstreamName(name, film)}`;
        if (init.has(stored)) {
          return { shape: tensor.shape, data: Float32Array.from(await init.numbers(stored)) };
        }
        // All-zero tensors are left out of the file, and modules start from the checkpoint.
        return name.endsWith('.lora_B.weight')
          ? { shape: tensor.shape, data: new Float32Array(tensor.data.length) }
          : tensor;
      };
      const trained = new Map<string, HostTensor>();
      for (const [name, tensor] of initial.trained) trained.set(name, await given(name, tensor));
      return { ...initial, trained };
    },
    drawn: async (variant, step) => {
      const own = await golden(variant);
      const read = async (name: string) =>
        own.has(name) ? Float32Array.from(await own.numbers(name)) : null;
      const noise = (await read(`perturbation/step${step}`)) ?? (await read(`diffusion/step${step}/noise`));
      const timesteps = await read(`diffusion/step${step}/timesteps`);
      return { draws: noise && { noise, timesteps: [...(timesteps ?? [])] } };
    },
  };
}

async function goldenSamples(train: GoldenTensors, config: PolicyConfig): Promise<Sample[]> {
  const pixels = Float32Array.from(await train.numbers('batch/pixel_values'));
  const actions = Float32Array.from(await train.numbers('batch/actions'));
  const proprio = train.has('batch/proprio') ? Float32Array.from(await train.numbers('batch/proprio')) : null;
  const count = train.shape('batch/actions')[0]!;
  const part = (data: Float32Array, i: number) =>
    data.slice((i * data.length) / count, ((i + 1) * data.length) / count);
  const samples: Sample[] = [];
  for (let i = 0; i < count; i++) {
    const ids = [...(await train.numbers(`batch/sample${i}/input_ids`))];
    const labels = [...(await train.numbers(`batch/sample${i}/labels`))];
    // VLA-Adapter's labels begin within the prompt; behind it are the action queries alone.
    const first = config.bridge
      ? ids.length - config.bridge.queries
      : labels.findIndex((label) => label >= 0);
    samples.push({
      pixels: part(pixels, i),
      actions: part(actions, i),
      proprio: config.profile.state && proprio ? part(proprio, i) : null,
      promptIds: ids.slice(0, first),
    });
  }
  return samples;
}
