import { ModelError } from '../../base/errors.ts';
import type { DType, Shape } from '../graph/types.ts';
import type { Runtime, Tensor } from '../runtime/runtime.ts';
import type { EncodedTensor } from '../weights/encoding.ts';
import type { WeightStore } from './adapter.ts';
import { usedBlocks, type NetworkConfig } from './config.ts';

/** Where weights come from: a stored package, or a checkpoint encoded on the way. */
export interface WeightSource {
  /** Names in the order they are best read. */
  readonly names: readonly string[];
  byteLengthOf(name: string): number;
  shapeOf(name: string): Shape;
  load(name: string): Promise<EncodedTensor>;
}

/**
 * True for the tensors that inference puts on the runtime: what graphs bind, and the modules beside them. Attention pooling, the last ViT block and its norm are never
 * run; `lastBlock` keeps that block all the same, for traced runs.
 */
export function isBound(
  name: string,
  config: NetworkConfig,
  options: { lmHead: boolean; lastBlock: boolean },
): boolean {
  if (name.startsWith('projector.') || name.startsWith('language_model.model.layers.')) return true;
  // In the checkpoints of VLA-Adapter Pro, and never called.
  if (/^action_head\..*\.film_gen\./.test(name)) return false;
  if (name === 'language_model.model.norm.weight' || isModuleWeight(name)) return true;
  if (name === 'language_model.lm_head.weight') return options.lmHead;
  return config.vits.some((vit) => {
    if (!name.startsWith(`${vit.prefix}.`)) return false;
    const [part, index] = name.slice(vit.prefix.length + 1).split('.');
    if (part === 'blocks') return Number(index) < (options.lastBlock ? vit.depth : usedBlocks(vit));
    return (
      part === 'patch_embed' ||
      part === 'pos_embed' ||
      part === 'cls_token' ||
      part === 'reg_token' ||
      part === 'norm_pre'
    );
  });
}

/** Weights that are trained from scratch, beside the network: modules, and VLA-Adapter's action queries. */
export function isModuleWeight(name: string): boolean {
  return /^(action_head|proprio_projector|noisy_action_projector|action_queries)\./.test(name);
}

/** Weights uploaded to a runtime, in their stored encoding. */
export class LoadedWeights implements WeightStore {
  readonly table = new Map<string, { shape: Shape; dtype: DType }>();
  readonly #tensors = new Map<string, Tensor>();
  /** Names of those that were freed at some time, for a while; `table` keeps them. */
  readonly #aside = new Set<string>();

  add(runtime: Runtime, weight: EncodedTensor): void {
    const tensor = runtime.uploadWeight(weight);
    this.#tensors.get(weight.name)?.dispose();
    this.#tensors.set(weight.name, tensor);
    this.table.set(weight.name, { shape: tensor.shape, dtype: tensor.dtype });
  }

  tensor(name: string): Tensor {
    const tensor = this.#tensors.get(name);
    if (!tensor) throw new ModelError('missing-tensor', `The policy has no tensor "${name}".`);
    if (tensor.disposed && this.#aside.has(name)) {
      throw new ModelError(
        'missing-tensor',
        `"${name}" of the policy as it was loaded made room for a fine-tuning run, and could not be read again.`,
        'Load the policy again.',
      );
    }
    return tensor;
  }

  /** Frees those of `names` that are here. Something else has to be bound in their place until `bringBack`. */
  setAside(names: Iterable<string>): void {
    for (const name of names) {
      if (!this.has(name)) continue;
      this.#tensors.get(name)!.dispose();
      this.#aside.add(name);
    }
  }

  /**
   * Reads what was set aside again, and uploads it.
   * @param hidden what may stay aside
   * @throws ModelError as `source.load`; what is missing then, another call brings back
   */
  async bringBack(
    runtime: Runtime,
    source: WeightSource,
    hidden: (name: string) => boolean = () => false,
  ): Promise<void> {
    for (const name of this.#aside) {
      // Also those that were freed with the attempt that brought them back.
      if (!this.has(name) && !hidden(name)) this.add(runtime, await source.load(name));
    }
  }

  /** False also for one that was freed with the attempt that loaded it. */
  has(name: string): boolean {
    return this.#tensors.get(name)?.disposed === false;
  }

  get names(): readonly string[] {
    return [...this.#tensors.keys()];
  }

  get byteLength(): number {
    return [...this.#tensors.values()].reduce((sum, tensor) => sum + tensor.byteLength, 0);
  }

  dispose(): void {
    for (const tensor of this.#tensors.values()) tensor.dispose();
    this.#tensors.clear();
    this.table.clear();
    this.#aside.clear();
  }
}
