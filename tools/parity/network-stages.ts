/** The stages of a golden case's network, each computed from the case's own inputs. */
import { ddimSchedule } from '../../src/model/heads/ddim-schedule.ts';
import { headDimOf, ropeTables } from '../../src/model/network/decoder.ts';
import type { WeightSource } from '../../src/model/network/loaded-weights.ts';
import type { Partition } from '../../src/model/network/network.ts';
import type { Bits } from '../../src/model/network/storage-encoding.ts';
import type { PolicyConfig } from '../../src/model/policy/config.ts';
import { Policy, type PolicyInputs } from '../../src/model/policy/policy.ts';
import type { Runtime } from '../../src/model/runtime/runtime.ts';
import type { Limit } from './compare.ts';
import { fillBridge, fillGeneration, type Values } from './family-stages.ts';
import type { GoldenTensors } from './golden.ts';
import { joined, Recorder } from './recorder.ts';
import { EXACT, limitFor, TRAJECTORY } from './tolerances.ts';

export interface CaseOptions {
  readonly bits: Bits;
  readonly partition?: Partition;
}

/** The network from the golden's own pixels, tokens and proprio, so that each stage's error is its own. */
export async function fillNetwork(
  values: Values,
  limits: Map<string, Limit>,
  io: GoldenTensors,
  config: PolicyConfig,
  source: WeightSource,
  runtime: Runtime,
  options: CaseOptions,
): Promise<void> {
  const recorder = new Recorder();
  const policy = await Policy.load(config, source, runtime, {
    trace: recorder.record,
    ...(options.partition ? { partition: options.partition } : {}),
  });
  const inputs = await goldenInputs(io, config, policy, values);
  const key = config.defaultUnnormKey;
  const isDiffusion = config.head === 'diffusion';

  if (isDiffusion) {
    await fillDdim(values, limits, 'ddim', io, config, policy, inputs, recorder);
    const free = await policy.predict({ ...inputs, noise: await float32(io, 'ddim/noise') });
    setActions(values, '', free, policy.unnormalize(free, key));
    const limit = options.bits === 32 ? TRAJECTORY : limitFor('actions', options.bits);
    for (const name of ['normalized_actions', 'actions']) limits.set(name, limit);
  } else {
    const normalized = await policy.predict(inputs);
    setActions(values, '', normalized, policy.unnormalize(normalized, key));
  }

  const hidden = config.network.language.hidden;
  for (const stage of recorder.stages) if (!values.has(stage)) values.set(stage, recorder.first(stage)!);
  const embeddings = recorder.first('multimodal_embeddings')!;
  values.set('patch_tokens', embeddings.slice(hidden, hidden + io.size('patch_tokens')));
  if (config.head === 'bridge') fillBridge(values, limits, config);
  else if (config.head === 'autoregressive') {
    await fillGeneration(values, limits, io, config, policy, recorder, {
      promptIds: inputs.promptIds,
      bits: options.bits,
    });
  } else {
    // The golden file keeps the last step's slice under this name, and the first step's under the others.
    values.set(
      'actions_hidden_states',
      recorder.all('actions_hidden_states').at(isDiffusion ? io.size('ddim/timesteps') - 1 : 0)!,
    );
    values.set('action_head/in', recorder.first('actions_hidden_states')!);
  }
  const { cos, sin } = ropeTables(config.network.language, io.shape('multimodal_embeddings')[1]!);
  const half = headDimOf(config.network.language) / 2;
  values.set('llm/rope_cos', twice(cos, half));
  values.set('llm/rope_sin', twice(sin, half));
  const logits = recorder.first('logits');
  if (logits) values.set('logits_logsumexp', logSumExp(logits, config.network.language.vocabulary));
  limits.set('predicted_token_ids', options.bits === 32 ? EXACT : limitFor('', options.bits));

  for (const group of shorterTrajectories(io)) {
    recorder.clear();
    const diffusionSteps = io.size(`${group}/timesteps`);
    await fillDdim(values, limits, group, io, config, policy, { ...inputs, diffusionSteps }, recorder);
    const free = await policy.predict({
      ...inputs,
      noise: await float32(io, `${group}/noise`),
      diffusionSteps,
    });
    setActions(values, `${group}/`, free, policy.unnormalize(free, key));
    const limit = options.bits === 32 ? TRAJECTORY : limitFor('actions', options.bits);
    for (const name of ['normalized_actions', 'actions']) limits.set(`${group}/${name}`, limit);
  }
  await policy.dispose();
}

const shorterTrajectories = (io: GoldenTensors): string[] =>
  io.names.flatMap((name) => /^(ddim\d+)\/noise$/.exec(name)?.[1] ?? []);

/** The network's inputs as the case stores them. */
export async function goldenInputs(
  io: GoldenTensors,
  config: PolicyConfig,
  policy: Policy,
  values: Values,
): Promise<PolicyInputs> {
  const images = config.profile.images.length;
  const { imageSize } = config.network.vits[0]!;
  const shape = [images, 3 * config.network.vits.length, imageSize, imageSize];
  const pixels = policy.runtime.upload(await float32(io, 'pixel_values'), shape);
  let proprio: number[] | null = null;
  if (config.profile.state) {
    const raw = [...(await io.numbers('proprio_raw'))];
    const normalized = policy.normalizeState(raw, config.defaultUnnormKey)!;
    values.set('proprio_normalized', normalized);
    values.set('proprio_in', Float32Array.from(normalized));
    proprio = [...(await io.numbers('proprio_normalized'))];
  }
  return { pixels, promptIds: [...(await io.numbers('prompt_input_ids'))], proprio };
}

/** One trajectory, each step started from the stored x_t. */
async function fillDdim(
  values: Values,
  limits: Map<string, Limit>,
  group: string,
  io: GoldenTensors,
  config: PolicyConfig,
  policy: Policy,
  inputs: PolicyInputs,
  recorder: Recorder,
): Promise<void> {
  const steps = io.size(`${group}/timesteps`);
  const samples = await float32(io, `${group}/sample_in`);
  const size = samples.length / steps;
  const sampleAt = (step: number) => samples.slice(step * size, (step + 1) * size);
  await policy.predict({ ...inputs, noise: sampleAt(0), sampleAt });
  const schedule = ddimSchedule(config.diffusion!.trainSteps, steps);
  values.set(`${group}/timesteps`, schedule.timesteps);
  limits.set(`${group}/timesteps`, EXACT);
  values.set(`${group}/alphas_cumprod`, schedule.alphasCumprod);
  for (const stage of ['time_embedding', 'noise_pred', 'sample_out']) {
    values.set(`${group}/${stage}`, joined(recorder.all(`ddim/${stage}`)));
  }
  values.set(`${group}/actions_hidden_states`, joined(recorder.all('actions_hidden_states')));
}

function setActions(values: Values, prefix: string, normalized: number[][], actions: number[][]): void {
  values.set(`${prefix}normalized_actions`, normalized.flat());
  values.set(`${prefix}actions`, actions.flat());
}

function logSumExp(logits: Float32Array, width: number): Float64Array {
  return Float64Array.from({ length: logits.length / width }, (_, row) => {
    const values = logits.subarray(row * width, (row + 1) * width);
    const max = values.reduce((a, b) => Math.max(a, b), -Infinity);
    return max + Math.log(values.reduce((sum, v) => sum + Math.exp(v - max), 0));
  });
}

/** HF stores the rotary tables twice side by side. */
function twice(table: Float32Array, half: number): Float32Array {
  return joined(
    Array.from({ length: table.length / half }, (_, row) => {
      const part = table.subarray(row * half, (row + 1) * half);
      return joined([part, part]);
    }),
  );
}

export async function float32(io: GoldenTensors, name: string): Promise<Float32Array> {
  return Float32Array.from(await io.numbers(name));
}
