/** ProprioProjector (openvla-oft prismatic/models/projectors.py): the state as a token. */
import type { Shape } from '../graph/types.ts';
import type { Segment } from './segment.ts';

const PREFIX = 'proprio_projector';

/** Normalised `state` [B, dim] → `proprio` [B, 1, hidden]. */
export const proprioSegment: Segment = {
  key: 'proprio',
  prefix: PREFIX,
  inputs: { state: 'state' },
  outputs: { token: 'proprio' },
  stage: 'proprio_token',
  build: (g, scope, { state }) => {
    const projector = scope('');
    const token = projector.linear('fc2', g.gelu(projector.linear('fc1', state!)));
    return { token: g.reshape(token, [state!.shape[0]!, 1, token.shape[1]!]) };
  },
};

/** Its weights for a state of `dim` numbers. */
export function proprioShapes(hidden: number, dim: number): Map<string, Shape> {
  return new Map([
    [`${PREFIX}.fc1.weight`, [hidden, dim]],
    [`${PREFIX}.fc1.bias`, [hidden]],
    [`${PREFIX}.fc2.weight`, [hidden, hidden]],
    [`${PREFIX}.fc2.bias`, [hidden]],
  ]);
}
