/** MLPResNet (openvla-oft prismatic/models/action_heads.py), which the L1 and the diffusion head share. */
import type { Shape } from '../graph/types.ts';
import type { Segment } from '../network/segment.ts';
import type { HeadConfig } from './head.ts';

/** Residual blocks, fixed in action_heads.py. */
const BLOCKS = 2;
/** Epsilon of torch.nn.LayerNorm. */
const EPS = 1e-5;

export function mlpResNetShapes({ network, profile }: HeadConfig, prefix: string): Map<string, Shape> {
  const { hidden } = network.language;
  const width = hidden * profile.actions.length;
  return new Map([
    ...norm(`${prefix}.layer_norm1`, width),
    ...linear(`${prefix}.fc1`, hidden, width),
    ...Array.from({ length: BLOCKS }, (_, i) => [
      ...norm(`${prefix}.mlp_resnet_blocks.${i}.ffn.0`, hidden),
      ...linear(`${prefix}.mlp_resnet_blocks.${i}.ffn.1`, hidden, hidden),
    ]).flat(),
    ...norm(`${prefix}.layer_norm2`, hidden),
    ...linear(`${prefix}.fc2`, profile.actions.length, hidden),
  ]);
}

/** `states` [B, chunk · dim, hidden] → `predicted` [B, chunk, dim]: each action from the states of its own tokens. */
export function mlpResNetSegment({ profile }: HeadConfig, prefix: string): Segment {
  const { chunkSize } = profile;
  return {
    key: `MLPResNet ${chunkSize}`,
    prefix,
    inputs: { states: 'states' },
    outputs: { predicted: 'predicted' },
    stage: 'action_head/out',
    build: (g, scope, { states }) => {
      const head = scope('');
      const [batch, rows, hidden] = states!.shape as [number, number, number];
      const input = g.reshape(states!, [batch, chunkSize, (rows / chunkSize) * hidden]);
      let x = g.relu(head.linear('fc1', head.layerNorm('layer_norm1', input, EPS)));
      for (let i = 0; i < BLOCKS; i++) {
        const block = head.child(`mlp_resnet_blocks.${i}`);
        x = g.add(x, g.relu(block.linear('ffn.1', block.layerNorm('ffn.0', x, EPS))));
      }
      return { predicted: head.linear('fc2', head.layerNorm('layer_norm2', x, EPS)) };
    },
  };
}

/** Weight and bias of torch.nn.Linear. */
export const linear = (name: string, outputs: number, inputs: number): [string, Shape][] => [
  [`${name}.weight`, [outputs, inputs]],
  [`${name}.bias`, [outputs]],
];

/** Weight and bias of torch.nn.LayerNorm. */
export const norm = (name: string, width: number): [string, Shape][] => [
  [`${name}.weight`, [width]],
  [`${name}.bias`, [width]],
];
