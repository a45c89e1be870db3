import { ddimSchedule } from '../kernels/ddim-schedule.ts';
import { ddimStep } from '../kernels/ddim-step.cpu.ts';
import { timeEmbedding } from '../kernels/time-embedding.ts';
import type { PolicyTrace } from './policy.ts';

export interface DenoiseOptions {
  /** x_T, flat. */
  readonly noise: Float32Array;
  /** Width of the time embedding (the language model's hidden size). */
  readonly hidden: number;
  readonly trainSteps: number;
  readonly inferenceSteps: number;
  readonly predictNoise: (
    sample: Float32Array,
    timeEmbedding: Float32Array,
    step: number,
  ) => Promise<Float32Array>;
  /** x_t of a step, where it is not to be our own. */
  readonly sampleAt?: (step: number) => Float32Array;
  readonly trace?: PolicyTrace;
}

/** Runs DDIM from noise to actions (finetune.py run_diffusion_sampling; modeling_prismatic.py _run_diffusion_prediction). */
export async function denoise(options: DenoiseOptions): Promise<Float32Array> {
  const schedule = ddimSchedule(options.trainSteps, options.inferenceSteps);
  let sample: Float32Array = options.noise;
  for (const [step, timestep] of schedule.timesteps.entries()) {
    sample = options.sampleAt?.(step) ?? sample;
    const embedding = timeEmbedding(timestep, options.hidden);
    const noise = await options.predictNoise(sample, embedding, step);
    const next = ddimStep(sample, noise, schedule, step);
    options.trace?.('ddim/time_embedding', embedding, [options.hidden]);
    options.trace?.('ddim/noise_pred', noise, [noise.length]);
    options.trace?.('ddim/sample_out', next, [next.length]);
    sample = next;
  }
  return sample;
}
