/** The modules that are trained from scratch. */
import type { Shape } from '../graph/types.ts';
import { headOf } from '../heads/index.ts';
import { proprioShapes } from '../network/proprio.ts';
import { filmShapes } from '../network/vit.ts';
import type { PolicyConfig } from './config.ts';

/**
 * Shapes of the proprio projector, what the head has of its own (action head, noisy-action projector, action queries) and FiLM that `config` asks
 * for, under upstream's names (projectors.py, action_heads.py, film_vit_wrapper.py).
 */
export function moduleShapes(config: PolicyConfig): Map<string, Shape> {
  const { profile, network } = config;
  const { hidden } = network.language;
  const film = network.vits.filter((vit) => vit.film);
  return new Map([
    ...(profile.state ? proprioShapes(hidden, profile.state.length) : []),
    ...headOf(config).shapes(config),
    ...film.flatMap((vit) => filmShapes(vit, hidden)),
  ]);
}
