/** Runs one golden case (a folder with config.json and io.safetensors) and compares every stage it holds. */
import type { WeightSource } from '../../src/model/network/loaded-weights.ts';
import { checkpointSource, decodedSource } from '../../src/model/policy/checkpoint-source.ts';
import type { PolicyConfig } from '../../src/model/policy/config.ts';
import { createImageProcessor } from '../../src/model/policy/image-processor.ts';
import { Policy } from '../../src/model/policy/policy.ts';
import { promptFor } from '../../src/model/policy/prompt.ts';
import type { Tokenize } from '../../src/model/policy/tokenizer.ts';
import type { Runtime } from '../../src/model/runtime/runtime.ts';
import { openCheckpoint } from '../../src/model/weights/checkpoint.ts';
import { caseConfig, foldTokens } from './case-config.ts';
import { compare, type Limit, type Row } from './compare.ts';
import type { Values } from './family-stages.ts';
import { openTensors, readJson, type CaseFiles, type GoldenMeta, type GoldenTensors } from './golden.ts';
import { fillInputs } from './input-stages.ts';
import { fillNetwork, float32, goldenInputs, type CaseOptions } from './network-stages.ts';
import { joined } from './recorder.ts';
import type { TokenizeFor } from './tokenize.ts';
import { float32Limit, limitFor, TRAJECTORY } from './tolerances.ts';

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
