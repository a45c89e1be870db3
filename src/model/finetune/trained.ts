import type { OwnConfig } from '../policy/own-config.ts';

/** A float32 tensor on the CPU. */
export interface HostTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export interface LoraConfig {
  readonly r: number;
  readonly alpha: number;
  readonly dropout: number;
  /** Leaf names as PEFT resolves "all-linear", or whole module names; sorted. */
  readonly targetModules: readonly string[];
}

/**
 * Everything a fine-tuning run changed, on the CPU. Names are the package's (those of upstream's merged checkpoint), without
 * PEFT's prefixes.
 */
export interface TrainedState {
  readonly run: string;
  readonly step: number;
  /** The robot, head and FiLM it was trained for, where they are not the base's. */
  readonly own: OwnConfig | null;
  readonly lora: LoraConfig | null;
  /** By adapted module (`vision_backbone.featurizer.blocks.0.attn.qkv`): A [r, in] (convolution [r, 3, p, p]), B [out, r] ([out, r, 1, 1]). */
  readonly adapters: ReadonlyMap<string, { readonly a: HostTensor; readonly b: HostTensor }>;
  /**
   * Modules trained from scratch by full package name: `action_head.model.fc1.weight`, `proprio_projector.fc1.weight`,
   * `noisy_action_projector.…`, FiLM's `vision_backbone.featurizer.blocks.0.scale.weight`.
   */
  readonly modules: ReadonlyMap<string, HostTensor>;
  /** dataset_statistics.json's content. */
  readonly statistics: Readonly<Record<string, unknown>>;
}
