/** Losses of heads that predict numbers: torch's mean over everything. */
import type { GraphBuilder } from '../graph/builder.ts';
import type { Value } from '../graph/types.ts';
import type { Segment } from '../network/segment.ts';
import { actionCount, type Given, type HeadConfig } from './head.ts';

/** nn.L1Loss. */
export const meanAbsolute: Segment = lossSegment('L1', (g, error) => g.mean(g.abs(error)));

/** nn.MSELoss. */
export const meanSquared: Segment = lossSegment('MSE', (g, error) => g.mean(g.mul(error, error)));

/** `predicted` and `target` [B, chunk, dim] → `loss` [1]. */
function lossSegment(name: string, mean: (g: GraphBuilder, error: Value) => Value): Segment {
  return {
    key: `${name} loss`,
    prefix: '',
    inputs: { predicted: 'predicted', target: 'target' },
    outputs: { loss: 'loss' },
    stage: 'loss',
    build: (g, _, { predicted, target }) => ({ loss: mean(g, g.sub(predicted!, target!)) }),
  };
}

/** B chunks of numbers as a target. */
export function chunks({ profile }: HeadConfig, data: Float32Array): Given {
  const size = data.length / actionCount({ profile });
  return { data, shape: [size, profile.chunkSize, profile.actions.length] };
}
