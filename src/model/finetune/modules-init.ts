/** How torch initialises the modules that are trained from scratch. */
import type { Shape } from '../graph/types.ts';
import type { Random } from '../../base/random.ts';
import type { HostTensor } from './trained.ts';

/** `initializer_range` of Qwen2. */
const QUERY_STD = 0.02;

/**
 * torch's defaults: U(−1/√in, 1/√in) for the weight (kaiming_uniform with a = √5) and the bias of a Linear, ones and zeros for a
 * LayerNorm (torch/nn/modules/linear.py, normalization.py).
 */
export function initialModules(shapes: ReadonlyMap<string, Shape>, random: Random): Map<string, HostTensor> {
  const tensors = new Map<string, HostTensor>();
  for (const [name, shape] of shapes) {
    const size = shape.reduce((product, dim) => product * dim, 1);
    const weight = shapes.get(name.replace(/\.bias$/, '.weight'))!;
    if (name === 'action_queries.weight') {
      // nn.Embedding as transformers' post_init leaves it.
      tensors.set(name, {
        shape,
        data: Float32Array.from({ length: size }, () => QUERY_STD * random.gaussian()),
      });
    } else if (weight.length === 2) {
      const bound = 1 / Math.sqrt(weight[1]!);
      tensors.set(name, {
        shape,
        data: Float32Array.from({ length: size }, () => (2 * random.uniform() - 1) * bound),
      });
    } else {
      tensors.set(name, { shape, data: new Float32Array(size).fill(name.endsWith('.weight') ? 1 : 0) });
    }
  }
  return tensors;
}
