/** One forward and backward pass over a micro-batch: finetune.py's run_forward_pass, and back. */
import type { Draws, Measured } from '../heads/head.ts';
import { headOf } from '../heads/index.ts';
import { trainingSegments } from '../heads/sequence-segments.ts';
import type { Segment } from '../network/segment.ts';
import type { Tape } from '../network/tape.ts';
import type { Policy } from '../policy/policy.ts';
import { TensorScope } from '../policy/tensor-scope.ts';
import type { Tensor, Tensors } from '../runtime/runtime.ts';
import { microBatch, type Sample } from './micro-batch.ts';

/** finetune.py's metrics. */
export interface Metrics extends Measured {
  readonly loss: number;
}

export interface PassOptions {
  /** Multiplies the loss before the way back: 1 / number of micro-batches in a step. */
  readonly factor?: number;
  /** What the head draws: noise and timesteps of a diffusion head, noise that VLA-Adapter's starts from (default zeros). */
  readonly draws?: Draws | null;
  /** Pads the text to this many tokens. */
  readonly tokens?: number;
  /** Gradients go to its sink. Without a tape only the metrics are computed. */
  readonly tape?: Tape;
  /** Hears of stages between vision, language model and head by upstream's names, in parity runs. */
  readonly trace?: (stage: string, tensor: Tensor) => Promise<void>;
}

/** @throws ModelError where a sample does not fit, or running fails */
export async function runPass(
  policy: Policy,
  samples: readonly Sample[],
  { factor = 1, draws = null, tokens, tape, trace }: PassOptions = {},
): Promise<Metrics> {
  const { config, network, runtime } = policy;
  const head = headOf(config);
  const batch = microBatch(policy, samples, tokens);
  const scope = new TensorScope();
  try {
    const { size, padded, length, actions } = batch;
    const feeds: Tensors = { ...batch.feeds };
    for (const [name, { data, shape, stage }] of Object.entries(head.given(config, batch, draws))) {
      feeds[name] = scope.keep(runtime.upload(data, shape));
      if (stage) await trace?.(stage, feeds[name]);
    }
    const segments = trainingSegments(config, { size, padded });
    const stages = trace ? stagesOf(segments) : new Map<string, string>();
    const wanted = [...new Set(['loss', 'predicted', ...stages.keys()])];
    const made = tape
      ? await network.differentiate(segments, length, feeds, wanted, { tape, factor })
      : await network.run(segments, length, feeds, wanted);
    for (const tensor of Object.values(made)) scope.keep(tensor);
    for (const [name, stage] of stages) await trace?.(stage, made[name]!);
    const [loss, predicted] = await Promise.all([
      runtime.read(made['loss']!),
      runtime.read(made['predicted']!),
    ]);
    return { loss: loss[0]!, ...head.measure(config, predicted, actions) };
  } finally {
    scope.dispose();
    batch.dispose();
    tape?.dispose();
  }
}

/** Values between the parts of a policy → their stages. */
function stagesOf(segments: readonly Segment[]): Map<string, string> {
  const between = ['patches', 'proprio', 'features', 'states', 'logits', 'predicted'];
  const outputs = segments.map(({ outputs: made, stage }) => [Object.values(made)[0]!, stage] as const);
  return new Map(outputs.filter(([name]) => between.includes(name)));
}
