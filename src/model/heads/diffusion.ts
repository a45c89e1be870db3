/** OpenVLA-OFT's DiffusionActionHead: the noise in a chunk of noisy actions, taken away over DDIM steps. */
import { ModelError } from '../../base/errors.ts';
import { finalRowsSegment } from '../network/language-segments.ts';
import type { Segment } from '../network/segment.ts';
import type { Tensor } from '../runtime/runtime.ts';
import { addNoiseFactors, ddimFactors, ddimSchedule, type DdimSchedule } from './ddim-schedule.ts';
import { actionCount, type Decoding, type Draws, type Head, type HeadConfig } from './head.ts';
import { UNMEASURED } from './measure.ts';
import { linear, mlpResNetSegment, mlpResNetShapes } from './mlp-res-net.ts';
import { gaussianNoise } from './noise.ts';
import { chunks, meanSquared } from './regression.ts';
import { timeEmbedding } from './time-embedding.ts';

/** Of upstream's finetune.py and its checkpoints. */
export const UPSTREAM_STEPS = { trainSteps: 50, inferenceSteps: 50 };

const PREFIX = 'action_head.noise_predictor.mlp_resnet';

export const diffusion: Head = {
  lmHead: false,
  generates: false,
  proprio: 'token',
  denoises: true,
  placed: 'features',
  stopInTraining: true,
  prefix: PREFIX,
  mark: /^action_head\.noise_predictor\./,
  loraAlpha: null,
  shapes: (config) => {
    const { hidden } = config.network.language;
    return new Map([
      ...linear('noisy_action_projector.fc1', hidden, 1),
      ...linear('noisy_action_projector.fc2', hidden, hidden),
      ...mlpResNetShapes(config, PREFIX),
    ]);
  },
  embed: () => [noisyActionsSegment],
  forward: (config, { rows }) => [finalRowsSegment(config.network, rows), mlpResNetSegment(config, PREFIX)],
  loss: () => meanSquared,
  trainedRows: actionCount,
  draw: (config, size, { sample }) => {
    const drawn = Array.from({ length: size }, (_, i) => {
      const random = sample(i);
      const timestep = random.integer(trainSteps(config));
      return { timestep, noise: Array.from({ length: actionCount(config) }, () => random.gaussian()) };
    });
    return {
      noise: Float32Array.from(drawn.flatMap(({ noise }) => noise)),
      timesteps: drawn.map(({ timestep }) => timestep),
    };
  },
  given: (config, { actions }, draws) => {
    if (!draws)
      throw new ModelError('bad-input', 'A diffusion head is trained on noise, and none was drawn.');
    const { noise, timesteps } = draws;
    const { hidden } = config.network.language;
    const noisy = noisyActions(config, actions, draws);
    const time = timesteps.flatMap((step) => [...timeEmbedding(step, hidden)]);
    return {
      target: chunks(config, noise),
      noisy: { ...chunks(config, noisy), stage: 'noisy_actions' },
      time: {
        data: Float32Array.from(time),
        shape: [timesteps.length, 1, hidden],
        stage: 'diffusion_timestep_embeddings',
      },
    };
  },
  measure: () => UNMEASURED,
  decode: denoise,
};

/** NoisyActionProjector: `noisy` actions [B, chunk, dim] → one of `features` each [B, chunk · dim, hidden]. */
const noisyActionsSegment: Segment = {
  key: 'noisy actions',
  prefix: 'noisy_action_projector',
  inputs: { noisy: 'noisy' },
  outputs: { features: 'features' },
  stage: 'noisy_action_features',
  build: (g, scope, { noisy }) => {
    const [batch, chunk, dim] = noisy!.shape as [number, number, number];
    const projector = scope('');
    const values = g.reshape(noisy!, [batch, chunk * dim, 1]);
    return { features: projector.linear('fc2', g.gelu(projector.linear('fc1', values))) };
  },
};

/** DDIMScheduler.step: x_t (`noisy`), the noise `predicted` in it and the step's `factors` [4] → x_{t−1} (`next`). */
export const ddimSegment: Segment = {
  key: 'DDIM step',
  prefix: '',
  inputs: { noisy: 'noisy', noise: 'predicted', factors: 'factors' },
  outputs: { next: 'next' },
  stage: 'ddim/sample_out',
  build: (g, _, { noisy, noise, factors }) => {
    const factor = (i: number) => g.slice(factors!, 0, i, i + 1);
    const clean = g.div(g.sub(noisy!, g.mul(noise!, factor(1))), factor(0));
    // Clipped to −1…1.
    const fromBelow = g.relu(g.addScalar(clean, 1));
    const clipped = g.addScalar(g.scale(g.relu(g.addScalar(g.scale(fromBelow, -1), 2)), -1), 1);
    return { next: g.add(g.mul(clipped, factor(2)), g.mul(noise!, factor(3))) };
  },
};

/** From noise to actions (modeling_prismatic.py, _run_diffusion_prediction); on a GPU nothing is read back in between. */
async function denoise(decoding: Decoding): Promise<Float32Array> {
  const { config, runtime, options } = decoding;
  const { chunkSize, actions } = config.profile;
  const size = actionCount(config);
  const noise = options.noise ?? gaussianNoise(size, options.seed ?? 0);
  if (noise.length !== size)
    throw new ModelError('bad-input', `The initial noise has ${noise.length} values, expected ${size}.`);
  const steps = options.diffusionSteps ?? config.diffusion?.inferenceSteps ?? 0;
  const schedule = ddimSchedule(trainSteps(config), steps);
  const upload = (data: Float32Array) => runtime.upload(data, [1, chunkSize, actions.length]);
  let sample = upload(noise);
  try {
    for (let step = 0; step < steps; step++) {
      const given = options.sampleAt?.(step);
      if (given) {
        sample.dispose();
        sample = upload(given);
      }
      const next = await denoiseStep(decoding, schedule, sample, step);
      sample.dispose();
      sample = next;
    }
    return await runtime.read(sample);
  } finally {
    sample.dispose();
  }
}

/** Each step is a pass through the language model. */
async function denoiseStep(
  { config, runtime, run, trace }: Decoding,
  schedule: DdimSchedule,
  noisy: Tensor,
  step: number,
): Promise<Tensor> {
  const { hidden } = config.network.language;
  const time = runtime.upload(timeEmbedding(schedule.timesteps[step]!, hidden), [1, 1, hidden]);
  const { sqrtAlpha, sqrtBeta, sqrtNextAlpha, sqrtNextBeta } = ddimFactors(schedule, step);
  const factors = runtime.upload(Float32Array.of(sqrtAlpha, sqrtBeta, sqrtNextAlpha, sqrtNextBeta), [4]);
  try {
    const wanted = trace ? ['next', 'predicted'] : ['next'];
    const { next, predicted } = await run('features', [ddimSegment], { noisy, time, factors }, wanted);
    await trace?.('ddim/time_embedding', time);
    if (predicted) {
      await trace?.('ddim/noise_pred', predicted);
      predicted.dispose();
    }
    return next!;
  } finally {
    time.dispose();
    factors.dispose();
  }
}

/** DDIMScheduler.add_noise: √ᾱ · actions + √(1 − ᾱ) · noise with a timestep for each sample, rounded to float32 where torch rounds. */
export function noisyActions(
  config: HeadConfig,
  actions: Float32Array,
  { noise, timesteps }: Draws,
): Float32Array {
  const schedule = ddimSchedule(trainSteps(config), trainSteps(config));
  const factors = timesteps.map((timestep) => addNoiseFactors(schedule, timestep));
  const size = actionCount(config);
  if (actions.length !== size * timesteps.length || noise.length !== actions.length) {
    throw new ModelError(
      'bad-shape',
      `${timesteps.length} samples have ${actions.length} actions and ${noise.length} values of noise, expected ${size} each.`,
    );
  }
  return actions.map((action, i) => {
    const { sqrtAlpha, sqrtBeta } = factors[Math.floor(i / size)]!;
    return Math.fround(sqrtAlpha * action) + Math.fround(sqrtBeta * noise[i]!);
  });
}

function trainSteps({ diffusion: steps }: HeadConfig): number {
  if (steps) return steps.trainSteps;
  throw new ModelError('bad-package', 'The package has a diffusion head, but not its number of steps.');
}
