/** Requests for POST /act, right and wrong. */
import type { NodeObservation } from '../evaluate/node-policy.ts';
import type { PolicyConfig } from '../../src/model/policy/config.ts';
import { Random } from '../../src/base/random.ts';
import { keyFor } from '../act/request.ts';

/** Frames of noise over a gradient and a state within the statistics' range, from a seed. */
export function observationOf(config: PolicyConfig, seed: number): NodeObservation {
  const random = new Random(seed);
  const frames = config.profile.images.map(() => {
    const [width, height] = [256, 256];
    const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i >> 10) + random.integer(64));
    return { width, height, data };
  });
  const proprio = config.statistics[config.defaultUnnormKey]!.proprio;
  const state =
    config.profile.state &&
    config.profile.state.map(
      (_, i) => proprio!.q01[i]! + random.uniform() * (proprio!.q99[i]! - proprio!.q01[i]!),
    );
  return { frames, state, instruction: 'put the can on the plate' };
}

/** The images by the keys of openvla-oft's form. */
export function imagesOf(config: PolicyConfig, { frames }: NodeObservation) {
  return frames.map((frame, i) => ({
    ...frame,
    key: i === 0 ? 'full_image' : keyFor(config.profile.images[i]!.name),
  }));
}

export function oftPayload(config: PolicyConfig, observation: NodeObservation): Record<string, unknown> {
  const images = imagesOf(config, observation).map(({ key, width, height, data }) => [
    key,
    { __numpy__: Buffer.from(data).toString('base64'), dtype: '|u1', shape: [height, width, 3] },
  ]);
  const { state, instruction } = observation;
  return { ...Object.fromEntries(images), ...(state ? { state } : {}), instruction, seed: 0 };
}

/** Bodies that are to be refused, one kind after the other. */
export const MALFORMED: readonly ((payload: Record<string, unknown>, at: number) => string)[] = [
  (payload, at) => JSON.stringify(payload).slice(0, 1 + 997 * at),
  () => '',
  () => '"error"',
  () => '{"state": NaN}',
  (_, at) => '['.repeat(1 + 997 * at),
  (payload) => JSON.stringify({ ...payload, instruction: undefined }),
  (payload) => JSON.stringify({ ...payload, full_image: [[[0, 0, 0]]] }),
  (payload) => JSON.stringify({ ...payload, image: payload['full_image'] }),
  (payload) => JSON.stringify({ ...payload, full_image: spoil(payload, { dtype: '<f4' }) }),
  (payload) => JSON.stringify({ ...payload, full_image: spoil(payload, { shape: [1e6, 1e6, 3] }) }),
  (payload) => JSON.stringify({ ...payload, full_image: spoil(payload, { __numpy__: '%%%%' }) }),
  (payload) => JSON.stringify({ ...payload, full_image: spoil(payload, { dtype: '|O' }) }),
  (payload) => JSON.stringify({ ...payload, unnorm_key: '__proto__' }),
  (payload) => JSON.stringify({ encoded: JSON.stringify(payload).slice(1) }),
  (payload) => JSON.stringify({ encoded: payload }),
];

function spoil(payload: Record<string, unknown>, change: Record<string, unknown>): unknown {
  return { ...(payload['full_image'] as object), ...change };
}
