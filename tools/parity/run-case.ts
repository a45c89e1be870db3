/** Runs one golden case (a folder with config.json and io.safetensors) and compares every stage it holds. */
import { ddimSchedule } from '../../src/model/heads/ddim-schedule.ts';
import { headDimOf, ropeTables } from '../../src/model/network/decoder.ts';
import type { WeightSource } from '../../src/model/network/loaded-weights.ts';
import type { Partition } from '../../src/model/network/network.ts';
import type { Bits } from '../../src/model/network/storage-encoding.ts';
import { checkpointSource, decodedSource } from '../../src/model/policy/checkpoint-source.ts';
import type { PolicyConfig } from '../../src/model/policy/config.ts';
import { createImageProcessor } from '../../src/model/policy/image-processor.ts';
import { Policy, type PolicyInputs } from '../../src/model/policy/policy.ts';
import { promptFor } from '../../src/model/policy/prompt.ts';
import { layoutSequence } from '../../src/model/policy/sequence.ts';
import type { Tokenize } from '../../src/model/policy/tokenizer.ts';
import type { Runtime } from '../../src/model/runtime/runtime.ts';
import { openCheckpoint } from '../../src/model/weights/checkpoint.ts';
import { caseConfig, foldTokens } from './case-config.ts';
import { compare, type Limit, type Row } from './compare.ts';
import { fillBridge, fillGeneration, type Values } from './family-stages.ts';
import { openTensors, readJson, type CaseFiles, type GoldenMeta, type GoldenTensors } from './golden.ts';
import { joined, Recorder } from './recorder.ts';
import type { TokenizeFor } from './tokenize.ts';
import { EXACT, float32Limit, limitFor, TRAJECTORY } from './tolerances.ts';

export interface CaseOptions {
  readonly bits: Bits;
  readonly partition?: Partition;
}

/** Stored for reference or fed to the run: nothing of ours to compare. */
const GIVEN = /^(images\/\d+|proprio_raw|labels|noisy_actions_flat_in|ddim\d*\/(noise|sample_in))$/;

export async function runCase(
  files: CaseFiles,
  runtime: Runtime,
  tokenizeFor: TokenizeFor,
  options: CaseOptions,
): Promise<Row[]> {
  const meta = await readJson<GoldenMeta>(files, 'meta.json');
  const io = await openTensors(files, 'io.safetensors');
  const checkpoint = await openCheckpoint(files);
  const config = caseConfig(checkpoint, meta, io.has('proprio_token'));
  const source = checkpointSource(checkpoint.tensors, options.bits);
  const tokenize = await tokenizeFor(config.network.language.kind);

  const values: Values = new Map();
  const limits = new Map<string, Limit>();
  await fillInputs(values, limits, io, meta, config, tokenize);
  await fillNetwork(values, limits, io, config, source, runtime, options);

  const rows: Row[] = [];
  for (const stage of io.names) {
    if (GIVEN.test(stage)) continue;
    const ours = values.get(stage) ?? sliceOf(values, stage, config);
    if (!ours) throw new Error(`The case holds "${stage}", but our run gives nothing of that name.`);
    rows.push(
      compare(stage, ours, await io.numbers(stage), limits.get(stage) ?? limitFor(stage, options.bits)),
    );
  }
  rows.push(await endToEnd(io, meta, config, source, runtime, tokenize, options));
  if (config.bridge && files.files.includes(EXTRA))
    rows.push(...(await withUpstreamsLiteral(files, io, config, source, runtime, options)));
  if (options.bits !== 32)
    rows.push(...(await compareAsFloat32(values, io, config, source, runtime, options)));
  return rows;
}

/**
 * The run with packed weights against a run with the same weights decoded to float32: rounding of the weights cancels,
 * so what is left is the arithmetic, held as tightly as float32.
 */
async function compareAsFloat32(
  packed: Values,
  io: GoldenTensors,
  config: PolicyConfig,
  source: WeightSource,
  runtime: Runtime,
  options: CaseOptions,
): Promise<Row[]> {
  const decoded: Values = new Map();
  await fillNetwork(decoded, new Map(), io, config, decodedSource(source), runtime, options);
  return [...decoded].map(([stage, theirs]) => {
    const loose = config.head === 'diffusion' && /(^|\/)(normalized_)?actions$/.test(stage);
    return compare(`${stage} (as f32)`, packed.get(stage)!, theirs, loose ? TRAJECTORY : float32Limit(stage));
  });
}

const EXTRA = 'extra_io.safetensors';

/** VLA-Adapter's head as it is when nobody changes num_task_tokens: 512, whatever the images. */
async function withUpstreamsLiteral(
  files: CaseFiles,
  io: GoldenTensors,
  config: PolicyConfig,
  source: WeightSource,
  runtime: Runtime,
  { bits, partition }: CaseOptions,
): Promise<Row[]> {
  const extra = await openTensors(files, EXTRA);
  const literal = { ...config, bridge: { ...config.bridge!, taskTokens: 512 } };
  const policy = await Policy.load(literal, source, runtime, partition ? { partition } : {});
  const inputs = await goldenInputs(io, literal, policy, new Map());
  const normalized = await policy.predict(inputs);
  const ours: Record<string, readonly number[]> = {
    normalized_actions: normalized.flat(),
    actions: policy.unnormalize(normalized, literal.defaultUnnormKey).flat(),
  };
  inputs.pixels.dispose();
  await policy.dispose();
  const rows: Row[] = [];
  for (const [name, values] of Object.entries(ours)) {
    const stage = `upstream512/${name}`;
    if (extra.has(stage)) rows.push(compare(stage, values, await extra.numbers(stage), limitFor(name, bits)));
  }
  return rows;
}

const ones = (length: number) => new Float32Array(length).fill(1);

/** What comes before the network: images, tokens, masks, proprio. */
async function fillInputs(
  values: Values,
  limits: Map<string, Limit>,
  io: GoldenTensors,
  meta: GoldenMeta,
  config: PolicyConfig,
  tokenize: Tokenize,
): Promise<void> {
  const processor = createImageProcessor(config.preprocessor, {
    centerCrop: config.centerCrop,
    policyResize: false,
  });
  const pixels: Float32Array[] = [];
  const perVit = config.network.vits.map((): Float32Array[] => []);
  for (let i = 0; i < config.profile.images.length; i++) {
    const [height, width] = io.shape(`images/${i}`) as [number, number];
    const { seen, pixelValues } = processor.process({
      width,
      height,
      data: Uint8Array.from(await io.numbers(`images/${i}`)),
    });
    values.set(`images_center_cropped/${i}`, rgbOf(seen));
    limits.set(`images_center_cropped/${i}`, EXACT);
    pixels.push(pixelValues);
    const size = pixelValues.length / perVit.length;
    perVit.forEach((list, vit) => list.push(pixelValues.slice(vit * size, (vit + 1) * size)));
  }
  values.set('pixel_values', joined(pixels));
  config.network.vits.forEach(({ prefix }, vit) => {
    const name = prefix.replace('vision_backbone.', '');
    perVit[vit]!.forEach((data, i) => values.set(`vision/${name}/img${i}/pixels`, data));
  });

  const promptIds = foldTokens(tokenize(promptFor(meta.spec.prompt, config.network.language.kind)), meta);
  const sequence = layoutSequence(promptIds, config);
  const count = sequence.inputIds.length;
  const exact: Record<string, ArrayLike<number>> = {
    // Upstream does not extend its mask for the empty token it appends; all of it is ones, so nothing comes of that.
    generate_attention_mask: ones(count - 1),
    position_ids: Array.from(
      { length: io.shape('multimodal_embeddings')[1]! + config.profile.actions.length - 1 },
      (_, i) => i,
    ),
    prompt_input_ids: promptIds,
    prompt_attention_mask: ones(promptIds.length),
    input_ids_with_empty_token: sequence.inputIds.slice(0, sequence.actions.start),
    input_ids: sequence.inputIds,
    attention_mask: ones(sequence.inputIds.length),
    multimodal_attention_mask: ones(
      io.shape('multimodal_embeddings')[1]! - (config.head === 'autoregressive' ? 1 : 0),
    ),
    all_actions_mask: sequence.inputIds.map((_, i) =>
      i >= sequence.actions.start && i < sequence.actions.end ? 1 : 0,
    ),
  };
  for (const [stage, data] of Object.entries(exact)) {
    values.set(stage, data);
    limits.set(stage, EXACT);
  }
}

/** The network from the golden's own pixels, tokens and proprio, so that each stage's error is its own. */
async function fillNetwork(
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
async function goldenInputs(
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

/** `logits_action_positions[vocab 31700:32064]`: that range of every row of `logits`. */
function sliceOf(values: Values, stage: string, config: PolicyConfig): ArrayLike<number> | undefined {
  const range = /^logits_action_positions\[vocab (\d+):(\d+)\]$/.exec(stage);
  const logits = values.get('logits');
  if (!range || !logits) return undefined;
  const width = config.network.language.vocabulary;
  const [start, end] = [Number(range[1]), Number(range[2])];
  return Float32Array.from({ length: (logits.length / width) * (end - start) }, (_, i) => {
    const row = Math.floor(i / (end - start));
    return logits[row * width + start + (i % (end - start))]!;
  });
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

function rgbOf({
  data,
  width,
  height,
}: {
  data: ArrayLike<number>;
  width: number;
  height: number;
}): Uint8Array {
  const channels = data.length / (width * height);
  return Uint8Array.from(
    { length: width * height * 3 },
    (_, i) => data[Math.floor(i / 3) * channels + (i % 3)]!,
  );
}

async function float32(io: GoldenTensors, name: string): Promise<Float32Array> {
  return Float32Array.from(await io.numbers(name));
}

/** The production path: raw images, text and raw state in, real actions out, without taps. */
async function endToEnd(
  io: GoldenTensors,
  meta: GoldenMeta,
  config: PolicyConfig,
  source: WeightSource,
  runtime: Runtime,
  tokenize: Tokenize,
  options: CaseOptions,
): Promise<Row> {
  const policy = await Policy.load(
    config,
    source,
    runtime,
    options.partition ? { partition: options.partition } : {},
  );
  const processor = createImageProcessor(config.preprocessor, {
    centerCrop: config.centerCrop,
    policyResize: false,
  });
  const images: Float32Array[] = [];
  for (let i = 0; i < config.profile.images.length; i++) {
    const [height, width] = io.shape(`images/${i}`) as [number, number];
    images.push(
      processor.process({ width, height, data: Uint8Array.from(await io.numbers(`images/${i}`)) })
        .pixelValues,
    );
  }
  const { imageSize } = config.network.vits[0]!;
  const pixels = runtime.upload(joined(images), [
    images.length,
    3 * config.network.vits.length,
    imageSize,
    imageSize,
  ]);
  const state = config.profile.state ? [...(await io.numbers('proprio_raw'))] : null;
  const normalized = await policy.predict({
    pixels,
    promptIds: foldTokens(tokenize(promptFor(meta.spec.prompt, config.network.language.kind)), meta),
    proprio: policy.normalizeState(state, config.defaultUnnormKey),
    ...(io.has('ddim/noise') ? { noise: await float32(io, 'ddim/noise') } : {}),
  });
  pixels.dispose();
  await policy.dispose();
  const limit =
    config.head === 'diffusion' && options.bits === 32 ? TRAJECTORY : limitFor('actions', options.bits);
  const actions = policy.unnormalize(normalized, config.defaultUnnormKey).flat();
  return compare('actions, from images and text', actions, await io.numbers('actions'), limit);
}
