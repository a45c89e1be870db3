/** Which layers LoRA adapts, and how its factors start: PEFT 0.11.1 as upstream's finetune.py configures it. */
import { ModelError } from '../../base/errors.ts';
import type { Shape } from '../graph/types.ts';
import { isModuleWeight } from '../network/loaded-weights.ts';
import type { Random } from '../../base/random.ts';
import type { LoraConfig } from './trained.ts';

/**
 * `all-linear` as PEFT resolves it, `language-model` for the LLaMA alone, or a regular expression that a module's whole name
 * matches (PEFT's `target_modules` as a string).
 */
export type LoraTargets = 'all-linear' | 'language-model' | { readonly pattern: string };

export interface LoraOptions {
  /** Default 32. */
  readonly r?: number;
  /** Default min(r, 16), as finetune.py. */
  readonly alpha?: number;
  /** Probability of zeroing an input of LoRA's path; default 0. */
  readonly dropout?: number;
  readonly targets?: LoraTargets;
}

export interface LoraModule {
  /** Such as `vision_backbone.featurizer.blocks.0.attn.qkv`. */
  readonly name: string;
  /** [r, in], or [r, 3, p, p] for the patch convolution. */
  readonly a: Shape;
  /** [out, r], or [out, r, 1, 1]. */
  readonly b: Shape;
}

type Shapes = ReadonlyMap<string, Shape>;

const EMBEDDING = 'language_model.model.embed_tokens';
const FILM = /\.blocks\.\d+\.(scale|shift)$/;

/** lm_head of a language model whose head is its embedding table: a module without a tensor of its own. */
const LM_HEAD = 'language_model.lm_head.weight';

/** Shapes of a base, with lm_head's where it is the embedding table: PEFT adapts that module, too. */
export function withTiedHead(shapes: Shapes): Shapes {
  const table = shapes.get(`${EMBEDDING}.weight`);
  return shapes.has(LM_HEAD) || !table ? shapes : new Map([...shapes, [LM_HEAD, table]]);
}

/** Modules of the network that are a torch Linear or Conv2d, by name. FiLM's are added after PEFT has looked. */
function adaptable(shapes: Shapes): Map<string, Shape> {
  const modules = new Map<string, Shape>();
  for (const [name, shape] of withTiedHead(shapes)) {
    const module = name.replace(/\.weight$/, '');
    const matrix = shape.length === 2 || shape.length === 4;
    if (module === name || !matrix || isModuleWeight(name) || module === EMBEDDING || FILM.test(module))
      continue;
    modules.set(module, shape);
  }
  return modules;
}

const leafOf = (module: string): string => module.slice(module.lastIndexOf('.') + 1);

/**
 * @param shapes of every weight of the base, also of those that never run: PEFT adapts them all
 * @throws ModelError `bad-input` for a rank, alpha or dropout out of range, or targets that match nothing
 */
export function resolveLora(
  shapes: Shapes,
  options: LoraOptions = {},
): { config: LoraConfig; modules: LoraModule[] } {
  const { r = 32, dropout = 0, targets = 'all-linear' } = options;
  const alpha = options.alpha ?? Math.min(r, 16);
  const wrong =
    !Number.isInteger(r) || r < 1 || r > 1024
      ? `a rank of ${r}; it is a whole number from 1 to 1024`
      : !(alpha > 0 && Number.isFinite(alpha))
        ? `an alpha of ${alpha}; it is positive`
        : !(dropout >= 0 && dropout < 1)
          ? `a dropout of ${dropout}; it is at least 0 and below 1`
          : null;
  if (wrong) throw new ModelError('bad-input', `LoRA was asked for with ${wrong}.`, 'Choose another value.');

  const all = adaptable(shapes);
  const leaves = new Set([...all].filter(([, shape]) => shape.length === 2).map(([name]) => leafOf(name)));
  const matches = matcher(targets, leaves);
  const chosen = [...all].filter(([name]) => matches(name));
  if (chosen.length === 0) {
    throw new ModelError(
      'bad-input',
      `LoRA's targets ${JSON.stringify(targets)} match none of the ${all.size} linear layers.`,
      'Choose "all-linear", or a pattern that matches whole names such as "language_model.model.layers.0.mlp.up_proj".',
    );
  }
  const targetModules = targets === 'all-linear' ? [...leaves] : chosen.map(([name]) => name);
  return {
    config: { r, alpha, dropout, targetModules: targetModules.toSorted() },
    modules: chosen.map(([name, shape]) => ({
      name,
      a: [r, ...shape.slice(1)],
      b: [shape[0]!, r, ...shape.slice(2).map(() => 1)],
    })),
  };
}

function matcher(targets: LoraTargets, leaves: ReadonlySet<string>): (name: string) => boolean {
  if (targets === 'all-linear') return (name) => leaves.has(leafOf(name));
  if (targets === 'language-model') return (name) => name.startsWith('language_model.model.');
  try {
    const whole = new RegExp(`^(?:${targets.pattern})$`);
    return (name) => whole.test(name);
  } catch (error) {
    throw new ModelError(
      'bad-input',
      `LoRA's pattern "${targets.pattern}" is not a regular expression.`,
      '',
      {
        cause: error,
      },
    );
  }
}

/** A ~ N(0, 1/r) in the sense of a standard deviation of 1/r (`init_lora_weights="gaussian"`, lora/layer.py); B = 0. */
export function initialLoraA(shape: Shape, random: Random): Float32Array {
  const size = shape.reduce((product, dim) => product * dim, 1);
  return Float32Array.from({ length: size }, () => random.gaussian() / shape[0]!);
}
