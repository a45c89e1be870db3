import type { GraphBuilder } from '../graph/builder.ts';
import type { Value } from '../graph/types.ts';
import type { NetworkConfig } from './config.ts';
import type { Scope } from './scope.ts';

/** PrismaticProjector: fc1 → GELU → fc2 (→ GELU → fc3 for fused backbones), on [B, N, D] features. */
export function projector(g: GraphBuilder, config: NetworkConfig, scope: Scope, features: Value): Value {
  const hidden = scope.linear('fc2', g.gelu(scope.linear('fc1', features)));
  return config.projectorLayers === 3 ? scope.linear('fc3', g.gelu(hidden)) : hidden;
}
