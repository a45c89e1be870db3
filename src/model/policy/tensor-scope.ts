import type { Tensor } from '../runtime/runtime.ts';

/** Tensors that are disposed together. */
export class TensorScope {
  readonly #tensors: Tensor[] = [];

  keep(tensor: Tensor): Tensor {
    this.#tensors.push(tensor);
    return tensor;
  }

  dispose(): void {
    for (const tensor of this.#tensors) tensor.dispose();
  }
}
