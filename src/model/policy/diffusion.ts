import { ddimSchedule, type DdimSchedule } from '../kernels/ddim-schedule.ts';
import { timeEmbedding } from '../kernels/time-embedding.ts';
import type { Modules } from '../network/modules.ts';
import type { Runtime, Tensor } from '../runtime/runtime.ts';

export interface DenoiseOptions {
  readonly runtime: Runtime;
  readonly modules: Modules;
  /** x_T [1, chunk, dim]. */
  readonly noise: Float32Array;
  readonly shape: readonly [1, number, number];
  /** Width of the time embedding (the language model's hidden size). */
  readonly hidden: number;
  readonly trainSteps: number;
  readonly inferenceSteps: number;
  /** Hidden states of the action rows for noisy-action features [1, chunk · dim, hidden] and a time token [1, 1, hidden]. */
  readonly language: (features: Tensor, time: Tensor) => Promise<Tensor>;
  /** x_t of a step, where it is not to be our own. */
  readonly sampleAt?: (step: number) => Float32Array;
  readonly trace?: (stage: string, tensor: Tensor) => Promise<void>;
}

/**
 * Runs DDIM from noise to actions (modeling_prismatic.py _run_diffusion_prediction): each step is a pass through the language
 * model. On a GPU nothing is read back in between.
 *
 * @returns x_0 [1, chunk, dim]; the caller disposes it
 */
export async function denoise(options: DenoiseOptions): Promise<Tensor> {
  const { runtime } = options;
  const schedule = ddimSchedule(options.trainSteps, options.inferenceSteps);
  let sample = runtime.upload(options.noise, options.shape);
  for (let step = 0; step < schedule.timesteps.length; step++) {
    const given = options.sampleAt?.(step);
    if (given) {
      sample.dispose();
      sample = runtime.upload(given, options.shape);
    }
    const next = await denoiseStep(options, schedule, sample, step);
    sample.dispose();
    sample = next;
  }
  return sample;
}

async function denoiseStep(
  { runtime, modules, hidden, shape, language, trace }: DenoiseOptions,
  schedule: DdimSchedule,
  sample: Tensor,
  step: number,
): Promise<Tensor> {
  const own: Tensor[] = [];
  const keep = (tensor: Tensor) => {
    own.push(tensor);
    return tensor;
  };
  try {
    const time = keep(runtime.upload(timeEmbedding(schedule.timesteps[step]!, hidden), [1, 1, hidden]));
    const features = keep(await modules.noisyActions(sample));
    await trace?.('noisy_action_features', features);
    const states = keep(await language(features, time));
    const noise = keep(await modules.head(states, shape[1]));
    const next = await modules.ddimStep(sample, noise, schedule, step);
    await trace?.('action_head/out', noise);
    await trace?.('ddim/time_embedding', time);
    await trace?.('ddim/noise_pred', noise);
    await trace?.('ddim/sample_out', next);
    return next;
  } finally {
    for (const tensor of own) tensor.dispose();
  }
}
