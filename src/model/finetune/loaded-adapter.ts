import { headOf } from '../heads/index.ts';
import type { Adapter } from '../network/adapter.ts';
import { isBound } from '../network/loaded-weights.ts';
import { loraNames, type WeightTable } from '../network/scope.ts';
import type { PolicyConfig } from '../policy/config.ts';
import { adaptedConfig } from '../policy/own-config.ts';
import type { Runtime, Tensor } from '../runtime/runtime.ts';
import type { TrainedState } from './trained.ts';

/** A trained state on a runtime, for inference: `policy.use(adapter)` switches to it without reloading the base. */
export class LoadedAdapter implements Adapter {
  readonly scaling: number;
  readonly names: readonly string[];
  readonly table: WeightTable;
  readonly #tensors = new Map<string, Tensor>();

  /** @param base configuration of the policy that it lies over */
  constructor(runtime: Runtime, base: PolicyConfig, state: TrainedState) {
    const config = adaptedConfig(base, state);
    this.scaling = state.lora ? state.lora.alpha / state.lora.r : 1;
    const needs = { lmHead: headOf(config).lmHead, lastBlock: false };
    for (const [module, { a, b }] of state.adapters) {
      if (!isBound(`${module}.weight`, config.network, needs)) continue;
      const names = loraNames(module);
      this.#tensors.set(names.a, runtime.upload(a.data, a.shape));
      this.#tensors.set(names.b, runtime.upload(b.data, b.shape));
    }
    for (const [name, { data, shape }] of state.modules) {
      if (isBound(name, config.network, needs)) this.#tensors.set(name, runtime.upload(data, shape));
    }
    this.names = [...this.#tensors.keys()];
    this.table = new Map(
      [...this.#tensors].map(([name, { shape }]) => [name, { shape, dtype: 'float32' as const }]),
    );
  }

  tensor(name: string): Tensor {
    return this.#tensors.get(name)!;
  }

  dispose(): void {
    for (const tensor of this.#tensors.values()) tensor.dispose();
    this.#tensors.clear();
  }
}
