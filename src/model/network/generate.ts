/** Tokens one after the other, with a cache of keys and values: one graph for the prompt, one for every step after it. */
import { sizeOf } from '../graph/types.ts';
import type { Runtime, Tensor, Tensors } from '../runtime/runtime.ts';
import type { NetworkConfig } from './config.ts';
import { attentionMask, decoderLayer, decoderNorm, headDimOf, ropeTables } from './decoder.ts';
import { assembleSegment, finalRowsSegment, logitsSegment } from './language-segments.ts';
import type { Segment } from './segment.ts';

export interface GenerateOptions {
  readonly runtime: Runtime;
  readonly config: NetworkConfig;
  readonly run: (segments: readonly Segment[], feeds: Tensors, wanted: readonly string[]) => Promise<Tensors>;
  /** Parts of the prompt [1, n, hidden], in order; they stay the caller's. */
  readonly parts: Tensors;
  /** Tokens wanted. The last one is never fed. */
  readonly count: number;
  /** The token that follows, from its logits [vocabulary]; null ends the answer. */
  readonly choose: (logits: Float32Array) => number | null;
  /** Embedding [hidden] of a token. */
  readonly embed: (id: number) => Float32Array;
}

/** @returns the tokens chosen, fewer than `count` where `choose` ended them */
export async function generate(options: GenerateOptions): Promise<number[]> {
  const { runtime, config, run, parts, count, choose, embed } = options;
  const { language } = config;
  const length = Object.values(parts).reduce((sum, { shape }) => sum + shape[1]!, 0);
  const capacity = length + count - 1;
  const half = headDimOf(language) / 2;
  const tables = (rows: number, columns: number, start: number): Tensors => {
    const { cos, sin } = ropeTables(language, rows, start);
    const mask = attentionMask({ ...language, attention: 'causal' }, rows, columns, start)!;
    return {
      cos: runtime.upload(cos, [rows, half]),
      sin: runtime.upload(sin, [rows, half]),
      mask: runtime.upload(mask, [1, 1, rows, columns]),
    };
  };
  const caches = Array.from({ length: language.layers }, (_, i) => [`keys${i}`, `values${i}`]).flat();
  const ids: number[] = [];
  let cache: Tensors = {};
  try {
    for (let step = 0; step < count; step++) {
      const position = length + step - 1;
      const own: Tensors =
        step === 0
          ? tables(length, length, 0)
          : {
              ...tables(1, capacity, position),
              token: runtime.upload(embed(ids.at(-1)!), [1, 1, language.hidden]),
              place: runtime.upload(oneAt(position, capacity), [1, capacity, 1]),
            };
      let made: Tensors;
      try {
        made =
          step === 0
            ? await run(promptSegments(config, Object.keys(parts), length, capacity), { ...parts, ...own }, [
                'logits',
                ...caches,
              ])
            : renamed(
                await run(stepSegments(config), { ...own, ...cache }, ['logits', ...caches.map(next)]),
                caches,
              );
      } finally {
        disposeAll(own);
      }
      disposeAll(cache);
      const { logits, ...kept } = made;
      cache = kept;
      const id = choose(await readAndDispose(runtime, logits!));
      if (id === null) break;
      ids.push(id);
    }
  } finally {
    disposeAll(cache);
  }
  return ids;
}

function promptSegments(
  config: NetworkConfig,
  parts: readonly string[],
  length: number,
  capacity: number,
): Segment[] {
  return [
    assembleSegment({ parts, prefix: 1, placed: null }),
    ...Array.from({ length: config.language.layers }, (_, i) => promptLayer(config, i, capacity - length)),
    finalRowsSegment(config, { start: length - 1, end: length }),
    logitsSegment(),
  ];
}

/** A layer whose keys and values are kept, with room for what follows. */
function promptLayer({ language }: NetworkConfig, index: number, room: number): Segment {
  return {
    key: `decoder layer, ${room} to come`,
    prefix: `language_model.model.layers.${index}`,
    inputs: { x: `hidden${index}`, cos: 'cos', sin: 'sin', mask: 'mask' },
    outputs: { x: `hidden${index + 1}`, keys: `keys${index}`, values: `values${index}` },
    stage: `llm/layer${index}`,
    build: (g, scope, { x, cos, sin, mask }, tap) => {
      const made = decoderLayer(g, language, scope(''), x!, { rope: { cos: cos!, sin: sin! }, mask }, tap);
      tap('.key', made.keys);
      tap('.value', made.values);
      return { x: made.x, keys: g.pad(made.keys, 1, 0, room), values: g.pad(made.values, 1, 0, room) };
    },
  };
}

function stepSegments(config: NetworkConfig): Segment[] {
  const { language } = config;
  const layer = (index: number): Segment => ({
    key: 'decoder step',
    prefix: `language_model.model.layers.${index}`,
    inputs: {
      x: index === 0 ? 'token' : `hidden${index}`,
      cos: 'cos',
      sin: 'sin',
      mask: 'mask',
      place: 'place',
      keys: `keys${index}`,
      values: `values${index}`,
    },
    outputs: {
      x: `hidden${index + 1}`,
      newKeys: next(`keys${index}`),
      newValues: next(`values${index}`),
    },
    stage: `decode/layer${index}`,
    build: (g, scope, { x, cos, sin, mask, place, keys, values }, tap) => {
      const cache = { keys: keys!, values: values!, place: place! };
      const inputs = { rope: { cos: cos!, sin: sin! }, mask, cache };
      const made = decoderLayer(g, language, scope(''), x!, inputs, tap);
      tap('.key', made.keys);
      tap('.value', made.values);
      return { x: made.x, newKeys: made.keys, newValues: made.values };
    },
  });
  const norm: Segment = {
    key: 'final norm',
    prefix: 'language_model.model',
    inputs: { x: `hidden${language.layers}` },
    outputs: { states: 'states' },
    stage: 'decode/final_norm',
    build: (g, scope, { x }) => ({ states: decoderNorm(g, language, scope(''), x!) }),
  };
  return [...Array.from({ length: language.layers }, (_, i) => layer(i)), norm, logitsSegment()];
}

const next = (name: string): string => `next ${name}`;

function renamed(made: Tensors, caches: readonly string[]): Tensors {
  return { logits: made['logits']!, ...Object.fromEntries(caches.map((name) => [name, made[next(name)]!])) };
}

function oneAt(position: number, length: number): Float32Array {
  const place = new Float32Array(length);
  place[position] = 1;
  return place;
}

async function readAndDispose(runtime: Runtime, tensor: Tensor): Promise<Float32Array> {
  try {
    const values = await runtime.read(tensor);
    return values.subarray(0, sizeOf(tensor.shape));
  } finally {
    tensor.dispose();
  }
}

function disposeAll(tensors: Tensors): void {
  for (const tensor of Object.values(tensors)) tensor.dispose();
}
