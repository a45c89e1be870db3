/** VLA-Adapter's head: it attends to the hidden states of every layer, and reads the state itself. */
import { ModelError } from '../../base/errors.ts';
import type { Shape } from '../graph/types.ts';
import { bridgeSegments, bridgeShapes, type BridgeConfig } from './bridge-segments.ts';
import { type Head, type HeadConfig } from './head.ts';
import { actionErrors, UNMEASURED } from './measure.ts';
import { predictedIn } from './one-pass.ts';
import { chunks, meanAbsolute } from './regression.ts';

/** Standard deviation of what the head starts from in training (action_heads.py). */
const NOISE_STD = 0.02;

export const bridge: Head = {
  lmHead: false,
  generates: false,
  proprio: 'head',
  denoises: false,
  placed: 'queries',
  stopInTraining: false,
  prefix: 'action_head.model',
  mark: /^action_head\.model\.mlp_resnet_blocks\.0\.gating_factor$/,
  loraAlpha: 2,
  shapes: (config) =>
    bridgeShapes(bridgeOf(config), config.network.language.hidden, config.profile.actions.length),
  embed: () => [],
  forward: (config, place) => bridgeSegments(config.network, { ...place, bridge: bridgeOf(config) }),
  loss: () => meanAbsolute,
  trainedRows: (config) => bridgeOf(config).queries,
  draw: (config, _size, { pass: random }) => {
    if (!random) return null;
    const [, chunk, width] = inputShape(config, 1);
    return {
      noise: Float32Array.from({ length: chunk * width }, () => NOISE_STD * random.gaussian()),
      timesteps: [],
    };
  },
  given: (config, { size, actions }, draws) => {
    const shape = inputShape(config, size);
    const data = new Float32Array(shape[0] * shape[1] * shape[2]);
    // The same for all samples; zeros where nothing is drawn.
    if (draws) for (let b = 0; b < size; b++) data.set(draws.noise, b * draws.noise.length);
    return { target: chunks(config, actions), head_input: { data, shape, stage: 'action_head/in' } };
  },
  measure: (config, predicted, actions) => ({ ...UNMEASURED, ...actionErrors(config, predicted, actions) }),
  decode: async (decoding) => {
    const { config, runtime } = decoding;
    const shape = inputShape(config, 1);
    const input = runtime.upload(new Float32Array(shape[1] * shape[2]), shape);
    try {
      return await predictedIn(decoding, { head_input: input });
    } finally {
      input.dispose();
    }
  },
};

/** Of `head_input` [B, chunk, dim · hidden]. */
function inputShape({ network, profile }: HeadConfig, batch: number): [number, number, number] & Shape {
  return [batch, profile.chunkSize, profile.actions.length * network.language.hidden];
}

function bridgeOf({ bridge: config }: HeadConfig): BridgeConfig {
  if (config) return config;
  throw new ModelError(
    'bad-package',
    'The package has VLA-Adapter’s head, but does not say how it is built.',
  );
}
