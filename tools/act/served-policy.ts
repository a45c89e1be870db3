/** What the server serves, and what it says about it. */
import { headOf } from '../../src/model/heads/index.ts';
import type { NodePolicy } from '../evaluate/node-policy.ts';
import { UsageError } from '../node/arguments.ts';
import { keyFor, type ActForm } from './request.ts';

export interface ServedPolicy {
  readonly form: ActForm;
  /** The answer to `GET /`. */
  readonly description: Readonly<Record<string, unknown>>;
  readonly act: NodePolicy['act'];
}

/**
 * @param unnormKey the key of requests that name none; without it the only key there is
 * @param backend in words
 * @throws UsageError for a key that the policy does not have
 */
export function servedPolicy(
  policy: Pick<NodePolicy, 'name' | 'adapter' | 'statistics' | 'act'> & {
    readonly policy: Pick<NodePolicy['policy'], 'config'>;
  },
  unnormKey: string | undefined,
  backend: string,
): ServedPolicy {
  const { head, profile, network, centerCrop } = policy.policy.config;
  const unnormKeys = Object.keys(policy.statistics);
  if (unnormKey !== undefined && !unnormKeys.includes(unnormKey))
    throw new UsageError(
      `The policy has statistics for ${unnormKeys.join(', ')}.`,
      `--unnorm-key is "${unnormKey}"; the policy has no such statistics.`,
    );
  const chosen = unnormKey ?? (unnormKeys.length === 1 ? unnormKeys[0]! : null);
  const wrists = profile.images.slice(1).map(({ name }) => keyFor(name));
  const cameras = profile.images.map(({ name, label }, i) => ({
    name,
    label,
    keys: i === 0 ? ['full_image', 'image'] : [wrists[i - 1]],
  }));
  const others = [
    ...wrists,
    ...(profile.state ? ['state'] : []),
    'instruction',
    'unnorm_key?',
    ...(headOf({ head }).denoises ? ['seed?'] : []),
  ];
  return {
    form: { profile, unnormKeys, unnormKey: chosen },
    description: {
      policy: policy.name,
      adapter: policy.adapter,
      head,
      backend,
      protocols: {
        openvla: {
          request: ['image', ...others],
          answer: [profile.actions.length],
        },
        'openvla-oft': {
          request: ['full_image', ...others],
          answer: [profile.chunkSize, profile.actions.length],
        },
      },
      cameras,
      imageSize: network.vits[0]!.imageSize,
      centerCrop,
      chunkSize: profile.chunkSize,
      controlHz: profile.controlHz,
      actions: profile.actions,
      state: profile.state,
      unnormKeys,
      unnormKey: chosen,
    },
    act: policy.act,
  };
}
