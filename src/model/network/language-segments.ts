/** The language model as segments: the sequence is put together, goes through the layers, and the rows wanted are taken. */
import type { GraphBuilder } from '../graph/builder.ts';
import type { Value } from '../graph/types.ts';
import type { NetworkConfig } from './config.ts';
import { decoderLayer, decoderNorm } from './decoder.ts';
import type { Segment } from './segment.ts';

/**
 * Positions wanted of hidden states: one range for all samples, or those where `select` [B, R, S] holds ones, as
 * prompts differ in length.
 */
export type RowsOf = { readonly start: number; readonly end: number } | 'select';

export interface LanguageSegmentsOptions {
  /** Names of the parts [B, n, hidden] that make the sequence, in order. */
  readonly parts: readonly string[];
  /** How many of them, after the first, are not text: patches, proprio, timestep. */
  readonly prefix: number;
  /**
   * Rows added at the ones of `place` [B, S, R]: `features` [B, R, hidden] that are fed (noisy actions), or the rows of
   * `action_queries.weight` [R, hidden].
   */
  readonly placed: 'features' | 'queries' | null;
  /** Whether scores have a `mask` [1|B, 1, S, S] added. */
  readonly masked: boolean;
}

/** Parts → `hidden0` [B, S, hidden], and with `layers` on to `hidden<layers>`; `cos` and `sin` [S, headDim / 2] are fed, too. */
export function decoderSegments(config: NetworkConfig, options: LanguageSegmentsOptions): Segment[] {
  const layers = Array.from({ length: config.language.layers }, (_, i) =>
    layerSegment(config, i, options.masked),
  );
  return [assembleSegment(options), ...layers];
}

export function assembleSegment({ parts, prefix, placed }: Omit<LanguageSegmentsOptions, 'masked'>): Segment {
  const names = [...parts, ...(placed ? ['place'] : []), ...(placed === 'features' ? ['features'] : [])];
  return {
    key: `assemble ${parts.join()} ${placed ?? ''}`,
    prefix: '',
    inputs: Object.fromEntries(names.map((name) => [name, name])),
    outputs: { x: 'hidden0' },
    stage: 'multimodal_embeddings',
    build: (g, scope, inputs, tap) => {
      const joined = g.concat(
        parts.map((name) => inputs[name]!),
        1,
      );
      const added = () => {
        const rows = placed === 'features' ? inputs['features']! : scope('action_queries').weight('weight');
        return g.add(joined, g.matMul(inputs['place']!, rows));
      };
      const x = placed ? added() : joined;
      const length = (name: string) => inputs[name]!.shape[1]!;
      const text = parts.slice(0, 1 + prefix).reduce((sum, name) => sum + length(name), 0);
      tap('input_embeddings', g.concat([g.slice(x, 1, 0, 1), g.slice(x, 1, text, x.shape[1]!)], 1));
      return { x };
    },
  };
}

function layerSegment({ language }: NetworkConfig, index: number, masked: boolean): Segment {
  return {
    key: `decoder layer${masked ? ' masked' : ''}`,
    prefix: `language_model.model.layers.${index}`,
    inputs: { x: `hidden${index}`, cos: 'cos', sin: 'sin', ...(masked ? { mask: 'mask' } : {}) },
    outputs: { x: `hidden${index + 1}` },
    stage: `llm/layer${index}`,
    build: (g, scope, { x, cos, sin, mask }, tap) => {
      const layer = decoderLayer(
        g,
        language,
        scope(''),
        x!,
        { rope: { cos: cos!, sin: sin! }, mask },
        (name, value) => tap(name, value),
      );
      return { x: layer.x };
    },
  };
}

/** The last hidden states after the final norm: `states`, those of the rows wanted [B, R, hidden]. */
export function finalRowsSegment({ language }: NetworkConfig, rows: RowsOf): Segment {
  return {
    key: `final norm ${keyOf(rows)}`,
    prefix: 'language_model.model',
    inputs: { x: `hidden${language.layers}`, ...(rows === 'select' ? { select: 'select' } : {}) },
    outputs: { states: 'states' },
    stage: 'actions_hidden_states',
    build: (g, scope, { x, select }, tap) => {
      const normed = decoderNorm(g, language, scope(''), x!);
      tap('llm/final_norm', normed);
      return { states: takeRows(g, normed, rows, select) };
    },
  };
}

/** lm_head on `states` → `logits` [B, R, vocabulary]. */
export function logitsSegment(): Segment {
  return {
    key: 'lm_head',
    prefix: 'language_model',
    inputs: { states: 'states' },
    outputs: { logits: 'logits' },
    stage: 'logits',
    build: (_, scope, { states }) => ({ logits: scope('').linear('lm_head', states!) }),
  };
}

export function takeRows(g: GraphBuilder, x: Value, rows: RowsOf, select: Value | undefined): Value {
  return rows === 'select' ? g.matMul(select!, x) : g.slice(x, 1, rows.start, rows.end);
}

export const keyOf = (rows: RowsOf): string => (rows === 'select' ? 'select' : `${rows.start}:${rows.end}`);
