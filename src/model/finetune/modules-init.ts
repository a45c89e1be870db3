/** The modules that are trained from scratch: their shapes, and how torch initialises them. */
import type { Shape } from '../graph/types.ts';
import { bridgeShapes } from '../network/bridge-head.ts';
import type { PolicyConfig } from '../policy/config.ts';
import type { Random } from '../random.ts';
import type { HostTensor } from './trained.ts';

/** `initializer_range` of Qwen2. */
const QUERY_STD = 0.02;

/** Residual blocks of MLPResNet, fixed in action_heads.py. */
const HEAD_BLOCKS = 2;

/**
 * Shapes of the proprio projector, the action head, the noisy-action projector, action queries and FiLM that `config` asks for, under
 * upstream's names (projectors.py, action_heads.py, film_vit_wrapper.py).
 */
export function moduleShapes(config: PolicyConfig): Map<string, Shape> {
  const { head, profile, network } = config;
  const { hidden } = network.language;
  const shapes = new Map<string, Shape>();
  const linear = (name: string, outputs: number, inputs: number) => {
    shapes.set(`${name}.weight`, [outputs, inputs]);
    shapes.set(`${name}.bias`, [outputs]);
  };
  const norm = (name: string, width: number) => {
    shapes.set(`${name}.weight`, [width]);
    shapes.set(`${name}.bias`, [width]);
  };
  if (profile.state) {
    linear('proprio_projector.fc1', hidden, profile.state.length);
    linear('proprio_projector.fc2', hidden, hidden);
  }
  if (head === 'diffusion') {
    linear('noisy_action_projector.fc1', hidden, 1);
    linear('noisy_action_projector.fc2', hidden, hidden);
  }
  if (config.bridge) {
    for (const [name, shape] of bridgeShapes(config.bridge, hidden, profile.actions.length))
      shapes.set(name, shape);
  } else if (head === 'l1' || head === 'diffusion') {
    const prefix = head === 'l1' ? 'action_head.model' : 'action_head.noise_predictor.mlp_resnet';
    const width = hidden * profile.actions.length;
    norm(`${prefix}.layer_norm1`, width);
    linear(`${prefix}.fc1`, hidden, width);
    for (let block = 0; block < HEAD_BLOCKS; block++) {
      norm(`${prefix}.mlp_resnet_blocks.${block}.ffn.0`, hidden);
      linear(`${prefix}.mlp_resnet_blocks.${block}.ffn.1`, hidden, hidden);
    }
    norm(`${prefix}.layer_norm2`, hidden);
    linear(`${prefix}.fc2`, profile.actions.length, hidden);
  }
  for (const vit of network.vits.filter(({ film }) => film)) {
    for (let block = 0; block < vit.depth; block++) {
      linear(`${vit.prefix}.blocks.${block}.scale`, vit.dim, hidden);
      linear(`${vit.prefix}.blocks.${block}.shift`, vit.dim, hidden);
    }
  }
  return shapes;
}

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
