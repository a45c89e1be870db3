/**
 * Fine-tuning of a golden case (train*.safetensors) against PyTorch + PEFT: forward stages, losses, the gradient of every trainable
 * tensor, and the weights after 1…5 AdamW steps, by the rules of the golden README.
 */
import { ADAMW } from '../../src/model/finetune/arena.ts';
import type { Parameters } from '../../src/model/finetune/parameters.ts';
import { runPass, type Metrics } from '../../src/model/finetune/pass.ts';
import { learningRateAt } from '../../src/model/finetune/schedule.ts';
import { Trainables } from '../../src/model/finetune/trainables.ts';
import { upstreamName } from '../../src/model/finetune/upstream-names.ts';
import type { Partition } from '../../src/model/network/network.ts';
import type { Bits } from '../../src/model/network/storage-encoding.ts';
import { Tape, type GradientSink } from '../../src/model/network/tape.ts';
import { encodeActionTokens } from '../../src/model/heads/action-tokens.ts';
import { sizeOf } from '../../src/model/graph/types.ts';
import { headOf } from '../../src/model/heads/index.ts';
import type { Runtime, Tensor } from '../../src/model/runtime/runtime.ts';
import { compare, type Limit, type Row } from './compare.ts';
import type { CaseFiles, GoldenTensors } from './golden.ts';
import { EXACT } from './tolerances.ts';
import { openTrainCase, type TrainCase } from './train-case.ts';

const absolute = (limit: number): Limit => ({ measure: 'absolute', limit });
const GRADIENT: Limit = { measure: 'peak', limit: 1e-3 };
/** AdamW divides by |g|, so elements with a tiny gradient may move either way; this share of them is let pass. */
const LATER_STEPS = { limit: 2e-5, share: 1e-3 };

/** All variants of a case. A packed base (8 or 4 bits) is held against the same weights decoded to float32. */
export async function runTrain(
  files: CaseFiles,
  runtime: Runtime,
  options: { bits: Bits; partition?: Partition; brief?: boolean },
): Promise<Row[]> {
  if (options.bits !== 32) return comparePacked(files, runtime, options);
  const start = await openTrainCase(files, runtime, options);
  const rows: Row[] = [];
  const variants = options.brief ? ['warm'] : Object.keys(start.meta.train.variants);
  for (const variant of variants) rows.push(...(await runVariant(start, variant, options.brief ? 1 : 5)));
  await start.policy.dispose();
  return rows;
}

/** Loss and gradients of the first warm step over packed weights, against those over the same weights in float32. */
async function comparePacked(
  files: CaseFiles,
  runtime: Runtime,
  options: { bits: Bits; partition?: Partition },
): Promise<Row[]> {
  const results: { loss: number; gradients: Map<string, Float32Array> }[] = [];
  for (const decoded of [false, true]) {
    const start = await openTrainCase(files, runtime, { ...options, decoded });
    const { trained, lora } = await start.parameters('warm');
    const trainables = new Trainables(runtime, trained, lora!.alpha / lora!.r);
    start.policy.use(trainables);
    const tape = new Tape(trainables.tapeOptions);
    const { loss } = await runPass(start.policy, start.samples, {
      tape,
      ...(await start.drawn('warm', 0)),
    });
    const gradients = new Map<string, Float32Array>();
    for (const name of trainables.names) gradients.set(name, await trainables.gradient(name));
    results.push({ loss, gradients });
    start.policy.use(null);
    trainables.dispose();
    await start.policy.dispose();
  }
  const [packed, decoded] = results as [(typeof results)[0], (typeof results)[0]];
  return [
    compare('loss (as f32)', [packed.loss], [decoded.loss], absolute(5e-5)),
    ...[...packed.gradients].map(([name, ours]) =>
      compare(`grad/${name} (as f32)`, ours, decoded.gradients.get(name)!, GRADIENT),
    ),
  ];
}

async function runVariant(start: TrainCase, variant: string, steps: number): Promise<Row[]> {
  const { config, policy, meta, samples } = start;
  const { losses, metrics, lr, no_grad_params: noGradient } = meta.train.variants[variant]!;
  const golden = await start.golden(variant);
  const parameters = await start.parameters(variant);
  const film = config.network.vits.some((vit) => vit.film);
  const { lora } = parameters;
  // As a trainer does: block by block, gradients are used up as they come, where the runtime can.
  const streamed = policy.network.partition === 'blocks';
  const trainables = new Trainables(policy.runtime, parameters.trained, lora!.alpha / lora!.r, { streamed });
  policy.use(trainables);
  const rows: Row[] = [];
  const row = (stage: string, ours: ArrayLike<number>, theirs: ArrayLike<number>, limit: Limit) =>
    rows.push(compare(`${variant}/${stage}`, ours, theirs, limit));

  // Who has no gradient is never touched.
  if (Array.isArray(noGradient)) {
    const idle = [...parameters.idle.keys()].map((name) => upstreamName(name, film));
    const differing = [
      ...idle.filter((name) => !noGradient.includes(name)),
      ...noGradient.filter((name) => !idle.includes(name)),
    ];
    if (differing.length > 0) throw new Error(`${variant}: gradients differ in ${differing.join(', ')}`);
  }
  const tokens = headOf(config).lmHead;
  if (tokens) await compareLabels(row, start);

  for (let step = 0; step < Math.min(steps, losses.length); step++) {
    const stages = new Map<string, Float32Array>();
    const learningRate = learningRateAt(step, { learningRate: meta.spec.lr ?? 5e-4, ...scheduleOf(variant) });
    const stream = trainables.stream({ ...ADAMW, learningRate });
    const seen = new Map<string, Float32Array>();
    const gradientOf = async (name: string) => seen.get(name) ?? (await trainables.gradient(name));
    const tape = new Tape(
      stream
        ? { ...stream, sink: seeing(stream.sink, seen, trainables, policy.runtime) }
        : trainables.tapeOptions,
    );
    const drawn = await start.drawn(variant, step);
    if (step === 0) {
      // Apart from the pass that is held against the gradients: that one may be a single graph without stages.
      const trace = async (stage: string, tensor: Tensor) =>
        void stages.set(stage, await policy.runtime.read(tensor));
      await runPass(policy, samples, { ...drawn, trace });
    }
    const result = await runPass(policy, samples, { ...drawn, tape });
    row(`loss ${step}`, [result.loss], [losses[step]!], absolute(tokens ? 5e-5 : 1e-5));
    for (const [name, ours] of metricsOf(result)) {
      const theirs = metrics?.[step]?.[name];
      if (theirs !== undefined) row(`${name} ${step}`, [ours], [theirs], absolute(5e-5));
    }
    if (step === 0) await compareForward(row, stages, golden);
    if (step === 0) await compareGradients(rows, variant, trainables, gradientOf, golden, film);
    row(`learning rate ${step}`, [learningRate], [lr[step]!], absolute(1e-12));
    await trainables.step({ ...ADAMW, learningRate });
    if (golden.names.some((name) => name.startsWith(`step${step + 1}/`))) {
      await compareWeights(
        rows,
        variant,
        step + 1,
        parameters,
        trainables,
        golden,
        film,
        meta.spec.lr ?? 5e-4,
      );
    }
  }
  policy.use(null);
  trainables.dispose();
  return rows;
}

/** A sink that also notes down what each gradient comes to. */
function seeing(
  sink: GradientSink,
  seen: Map<string, Float32Array>,
  trainables: Trainables,
  runtime: Runtime,
): GradientSink {
  return async (of, gradient) => {
    const sum = seen.get(of.name) ?? new Float32Array(sizeOf(trainables.tensor(of.name).shape));
    seen.set(of.name, sum);
    const start = of.rows ? of.rows.start * gradient.shape.at(-1)! : 0;
    for (const [i, value] of (await runtime.read(gradient)).entries()) sum[start + i]! += value;
    await sink(of, gradient);
  };
}

function scheduleOf(variant: string): { warmupSteps: number; stepsBeforeDecay: number } {
  return {
    warmupSteps: Number(/warmup(\d+)/.exec(variant)?.[1] ?? 0),
    stepsBeforeDecay: Number(/decay(\d+)/.exec(variant)?.[1] ?? 100_000),
  };
}

function metricsOf(metrics: Metrics): [string, number][] {
  const named: [string, number | null][] = [
    ['curr_action_l1_loss', metrics.currentL1],
    ['next_actions_l1_loss', metrics.nextL1],
    ['curr_action_accuracy', metrics.currentAccuracy],
    ['next_actions_accuracy', metrics.nextAccuracy],
    // The original OpenVLA's, of its one action.
    ['action_accuracy', metrics.currentAccuracy],
    ['l1_loss', metrics.currentL1],
  ];
  return named.filter((entry): entry is [string, number] => entry[1] !== null);
}

type AddRow = (stage: string, ours: ArrayLike<number>, theirs: ArrayLike<number>, limit: Limit) => void;

async function compareLabels(row: AddRow, start: TrainCase): Promise<void> {
  const { tokens, actionBins } = start.config;
  const { batch } = start;
  for (const [i, { actions }] of start.samples.entries()) {
    const labels = [...(await batch.numbers(`batch/sample${i}/labels`))].filter((label) => label >= 0);
    const ours = [...encodeActionTokens(actions, tokens.vocabulary, actionBins), tokens.stop];
    row(`labels of sample ${i}`, ours, labels, EXACT);
  }
}

/** The stored stages of the first forward pass that a pass has under the same name. */
async function compareForward(
  row: AddRow,
  stages: ReadonlyMap<string, Float32Array>,
  golden: GoldenTensors,
): Promise<void> {
  const early = absolute(5e-5);
  const late = absolute(3e-4);
  const names: [string, string, Limit][] = [
    ['projector_out', 'fwd/projector_out', early],
    ['proprio_token', 'fwd/proprio_token', early],
    ['noisy_action_features', 'fwd/noisy_action_features', early],
    ['noisy_actions', 'diffusion/step0/noisy_actions', absolute(1e-6)],
    ['diffusion_timestep_embeddings', 'diffusion/step0/diffusion_timestep_embeddings', absolute(1e-6)],
    ['action_head/out', 'fwd/action_head/out', late],
  ];
  for (const [ours, theirs, limit] of names) {
    const stage = stages.get(ours);
    if (stage && golden.has(theirs)) row(theirs, stage, await golden.numbers(theirs), limit);
  }
  const head = 'fwd/action_head/in';
  const given = stages.get('action_head/in') ?? stages.get('actions_hidden_states');
  if (given && golden.has(head)) row(head, given, await golden.numbers(head), late);
}

async function compareGradients(
  rows: Row[],
  variant: string,
  trainables: Trainables,
  gradientOf: (name: string) => Promise<Float32Array>,
  golden: GoldenTensors,
  film: boolean,
): Promise<void> {
  const stored = golden.names.filter((name) => name.startsWith('grad/'));
  if (stored.length === 0) return;
  const seen = new Set<string>();
  let worstCosine = 1;
  for (const name of trainables.names) {
    const gradient = await gradientOf(name);
    for (const [key, ours] of storedParts(
      golden,
      `grad/${upstreamName(name, film)}`,
      gradient,
      trainables,
      name,
    )) {
      seen.add(key);
      const theirs = await golden.numbers(key);
      rows.push(compare(`${variant}/${key}`, ours, theirs, GRADIENT));
      worstCosine = Math.min(worstCosine, cosine(ours, theirs));
    }
  }
  const unseen = stored.filter((key) => !seen.has(key));
  if (unseen.length > 0) throw new Error(`${variant}: no gradient of ours for ${unseen.join(', ')}`);
  rows.push(compare(`${variant}/grad, worst cosine`, [worstCosine], [1], absolute(1e-6)));
}

async function compareWeights(
  rows: Row[],
  variant: string,
  step: number,
  parameters: Parameters,
  trainables: Trainables,
  golden: GoldenTensors,
  film: boolean,
  learningRate: number,
): Promise<void> {
  let outliers = 0;
  let total = 0;
  let worst = 0;
  for (const name of trainables.names) {
    const upstream = upstreamName(name, film);
    const { data } = await trainables.value(name);
    for (const [key, ours, offset] of storedParts(
      golden,
      `step${step}/${upstream}`,
      data,
      trainables,
      name,
    )) {
      const theirs = await golden.numbers(key);
      const gradientKey = key.replace(/^step\d+/, 'grad');
      if (step === 1 && golden.has(gradientKey)) {
        const gradient = await golden.numbers(gradientKey);
        const large = Array.from(gradient, (g) => Math.abs(g) > 1e-4);
        const pick = (values: ArrayLike<number>) => Array.from(values).filter((_, i) => large[i]);
        if (large.some(Boolean)) {
          rows.push(
            compare(`${variant}/${key} where |grad| > 1e-4`, pick(ours), pick(theirs), absolute(1e-6)),
          );
        }
        if (variant === 'cold' && name.endsWith('.lora_A.weight')) {
          // Cold factors A have a gradient of exactly zero, so only weight decay moves them.
          const decayed = Array.from(
            parameters.trained.get(name)!.data,
            (w) => w * (1 - learningRate * 1e-2),
          );
          const part = decayed.slice(offset, offset + ours.length);
          rows.push(
            compare(`${variant}/${key} by decay alone`, ours, part, { measure: 'relative', limit: 1e-7 }),
          );
        }
        continue;
      }
      for (let i = 0; i < theirs.length; i++) {
        const difference = Math.abs(ours[i]! - theirs[i]!);
        total += 1;
        worst = Math.max(worst, difference);
        if (!(difference <= LATER_STEPS.limit)) outliers += 1;
      }
    }
  }
  if (total === 0) return;
  const share = compare(
    `${variant}/step${step}, share beyond ${LATER_STEPS.limit} (worst ${worst.toExponential(1)})`,
    [outliers / total],
    [0],
    absolute(LATER_STEPS.share),
  );
  rows.push(share);
}

/** A tensor as the file holds it: whole, or some rows as `<name>[rows a:b]`. With the offset of the part. */
function storedParts(
  golden: GoldenTensors,
  key: string,
  data: Float32Array,
  trainables: Trainables,
  name: string,
): [string, Float32Array, number][] {
  if (golden.has(key)) return [[key, data, 0]];
  const rows = trainables.table.get(name)!.shape[0]!;
  const width = data.length / rows;
  return golden.names.flatMap((stored): [string, Float32Array, number][] => {
    if (!stored.startsWith(`${key}[rows `)) return [];
    const [, from, to] = /\[rows (\d+):(\d+)\]$/.exec(stored)!.map(Number) as [number, number, number];
    return [[stored, data.subarray(from * width, to * width), from * width]];
  });
}

function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    ab += a[i]! * b[i]!;
    aa += a[i]! * a[i]!;
    bb += b[i]! * b[i]!;
  }
  return aa === 0 && bb === 0 ? 1 : ab / Math.sqrt(aa * bb);
}
