import type { GraphBuilder } from '../builder.ts';
import { defineOp, type Dense } from '../op.ts';
import { badShape, broadcastShapes, expectFloat, sameShape, show } from '../shape-check.ts';
import { sizeOf, type Value } from '../types.ts';
import type { Heads } from './attention-gradient.ts';
import { broadcastIndex } from './indexing.ts';

const isCount = (n: number): boolean => Number.isInteger(n) && n > 0;

function splitHeads(g: GraphBuilder, x: Value, heads: number): Value {
  const [batch, length, width] = x.shape as [number, number, number];
  return g.transpose(g.reshape(x, [batch, length, heads, width / heads]), [0, 2, 1, 3]);
}

function joinHeads(g: GraphBuilder, x: Value): Value {
  const [batch, heads, length, headDim] = x.shape as [number, number, number, number];
  return g.reshape(g.transpose(x, [0, 2, 1, 3]), [batch, length, heads * headDim]);
}

/** [B, kvHeads, T, D] → [B, heads, T, D], each key head repeated for its group of query heads. */
function repeatHeads(g: GraphBuilder, x: Value, heads: number): Value {
  const [batch, kvHeads, length, headDim] = x.shape as [number, number, number, number];
  if (kvHeads === heads) return x;
  const group = heads / kvHeads;
  const wide = g.expand(g.reshape(x, [batch, kvHeads, 1, length, headDim]), [
    batch,
    kvHeads,
    group,
    length,
    headDim,
  ]);
  return g.reshape(wide, [batch, heads, length, headDim]);
}

/** The adjoint of `repeatHeads`: sums each group. */
function sumHeads(g: GraphBuilder, x: Value, kvHeads: number): Value {
  const [batch, heads, length, headDim] = x.shape as [number, number, number, number];
  if (kvHeads === heads) return x;
  const grouped = g.reshape(x, [batch, kvHeads, heads / kvHeads, length, headDim]);
  return g.reshape(g.reduceSum(grouped, [2]), [batch, kvHeads, length, headDim]);
}

/**
 * softmax(scale · q·kᵀ + bias) · v, without a causal mask.
 * q [B, S, heads·D]; k, v [B, T, kvHeads·D]; bias, if given, broadcasts to [B, heads, S, T].
 */
export const attention = defineOp<Heads>({
  arity: [3, 4],
  infer: ([q, k, v, bias], { heads, kvHeads }) => {
    expectFloat('attention', q!, k!, v!, ...(bias ? [bias] : []));
    const [batch, length, width] = q!.shape;
    const [kBatch, total, kWidth] = k!.shape;
    const fits =
      isCount(heads) &&
      isCount(kvHeads) &&
      q!.shape.length === 3 &&
      sameShape(k!.shape, v!.shape) &&
      batch === kBatch &&
      width! % heads === 0 &&
      heads % kvHeads === 0 &&
      kWidth === (width! / heads) * kvHeads;
    if (!fits) {
      throw badShape(
        'attention',
        `q ${show(q!.shape)}, k ${show(k!.shape)}, v ${show(v!.shape)}, ${heads} heads, ${kvHeads} key heads`,
        'q [B, S, heads·D] and k, v [B, T, kvHeads·D]',
      );
    }
    if (bias) {
      const full = [batch!, heads, length!, total!];
      const fitsScores =
        bias.shape.length === 4 && sameShape(broadcastShapes('attention', bias.shape, full), full);
      if (!fitsScores || bias.shape[2] !== length || bias.shape[3] !== total) {
        throw badShape('attention', `bias ${show(bias.shape)}`, `[1|B, 1|heads, ${length}, ${total}]`);
      }
    }
    return q!.shape;
  },
  lower: (to, names, { inputs: [q, k], attrs }) => {
    const [qName, kName, vName, biasName] = names as [string, string, string, string?];
    const [batch, total] = k!.shape as [number, number, number];
    const headDim = q!.shape[2]! / attrs.heads;
    const group = attrs.heads / attrs.kvHeads;
    // MultiHeadAttention has no grouped heads, so each key head is repeated first.
    const widen = (name: string) => {
      if (group === 1) return name;
      const split = to.emit('Reshape', [name, to.ints([batch, total, attrs.kvHeads, 1, headDim])]);
      const wide = to.emit('Expand', [split, to.ints([batch, total, attrs.kvHeads, group, headDim])]);
      return to.emit('Reshape', [wide, to.ints([batch, total, attrs.heads * headDim])]);
    };
    const inputs = [qName, widen(kName), widen(vName), ...(biasName ? ['', '', biasName] : [])];
    return to.emit(
      'MultiHeadAttention',
      inputs,
      { num_heads: { int: attrs.heads }, scale: attrs.scale },
      'com.microsoft',
    );
  },
  evaluate: ([q, k, v, bias], attrs) => evaluateAttention(q!, k!, v!, bias, attrs),
  vjp: (g, { inputs: [q, k, v, bias], attrs }, dy, needs, fused) => {
    // The gradient of a bias is a matrix of scores in any case.
    if (fused && !needs[3]) return fusedGradients(g, [q!, k!, v!, dy, bias], attrs, needs);
    const { heads, kvHeads, scale } = attrs;
    const qHeads = splitHeads(g, q!, heads);
    const kHeads = repeatHeads(g, splitHeads(g, k!, kvHeads), heads);
    const vHeads = repeatHeads(g, splitHeads(g, v!, kvHeads), heads);
    const dOut = splitHeads(g, dy, heads);
    const scores = g.scale(g.matMul(qHeads, g.swapLast(kHeads)), scale);
    const weights = g.softmax(bias ? g.add(scores, bias) : scores);
    const dWeights = g.mul(g.matMul(dOut, g.swapLast(vHeads)), weights);
    const dScores = g.sub(dWeights, g.mul(weights, g.sumLast(dWeights)));
    const keyGrad = () =>
      joinHeads(g, sumHeads(g, g.scale(g.matMul(g.swapLast(dScores), qHeads), scale), kvHeads));
    return [
      needs[0] ? joinHeads(g, g.scale(g.matMul(dScores, kHeads), scale)) : undefined,
      needs[1] ? keyGrad() : undefined,
      needs[2] ? joinHeads(g, sumHeads(g, g.matMul(g.swapLast(weights), dOut), kvHeads)) : undefined,
      bias && needs[3] ? g.sumTo(dScores, bias.shape) : undefined,
    ];
  },
});

function fusedGradients(
  g: GraphBuilder,
  [q, k, v, dy, bias]: readonly [Value, Value, Value, Value, Value?],
  attrs: Heads,
  needs: readonly boolean[],
): (Value | undefined)[] {
  const tail = bias ? [bias] : [];
  const statistics = g.apply('attentionStatistics', [q, k, v, dy, ...tail], attrs);
  const operands = [q, k, v, dy, statistics, ...tail];
  const both = needs[1] || needs[2] ? g.apply('attentionKeyValueGradient', operands, attrs) : undefined;
  const part = (i: number) => both && g.reshape(g.slice(both, 0, i, i + 1), k.shape);
  return [
    needs[0] ? g.apply('attentionQueryGradient', operands, attrs) : undefined,
    needs[1] ? part(0) : undefined,
    needs[2] ? part(1) : undefined,
    undefined,
  ];
}

function evaluateAttention(
  q: Dense,
  k: Dense,
  v: Dense,
  bias: Dense | undefined,
  attrs: Heads,
): Float64Array {
  const [batch, length, width] = q.shape as [number, number, number];
  const total = k.shape[1]!;
  const headDim = width / attrs.heads;
  const kWidth = headDim * attrs.kvHeads;
  const biasIndex = bias && broadcastIndex(bias.shape, [batch, attrs.heads, length, total]);
  const out = new Float64Array(sizeOf(q.shape));
  const scores = new Float64Array(total);
  for (let b = 0; b < batch; b++) {
    for (let head = 0; head < attrs.heads; head++) {
      const kvHead = Math.floor((head * attrs.kvHeads) / attrs.heads);
      for (let row = 0; row < length; row++) {
        const qStart = (b * length + row) * width + head * headDim;
        for (let col = 0; col < total; col++) {
          const kStart = (b * total + col) * kWidth + kvHead * headDim;
          let dot = 0;
          for (let i = 0; i < headDim; i++) dot += q.data[qStart + i]! * k.data[kStart + i]!;
          const at = ((b * attrs.heads + head) * length + row) * total + col;
          scores[col] = dot * attrs.scale + (bias && biasIndex ? bias.data[biasIndex(at)]! : 0);
        }
        const max = scores.reduce((a, c) => Math.max(a, c), -Infinity);
        const exps = scores.map((s) => Math.exp(s - max));
        const sum = exps.reduce((a, c) => a + c, 0);
        for (let col = 0; col < total; col++) {
          const vStart = (b * total + col) * kWidth + kvHead * headDim;
          for (let i = 0; i < headDim; i++) out[qStart + i]! += (exps[col]! / sum) * v.data[vStart + i]!;
        }
      }
    }
  }
  return out;
}

interface RopeHeads {
  readonly [name: string]: number;
  readonly heads: number;
}

/** Rotary embedding, rotate-half layout. x [B, S, heads·D]; cos, sin [S, D/2] (RoFormer; HF LLaMA). */
export const rope = defineOp<RopeHeads>({
  arity: [3, 3],
  infer: ([x, cos, sin], { heads }) => {
    expectFloat('rope', x!, cos!, sin!);
    const [, length, width] = x!.shape;
    const table = [length!, width! / heads / 2];
    if (
      !isCount(heads) ||
      x!.shape.length !== 3 ||
      !sameShape(cos!.shape, table) ||
      !sameShape(sin!.shape, table)
    ) {
      throw badShape(
        'rope',
        `x ${show(x!.shape)}, cos ${show(cos!.shape)}`,
        `x [B, S, ${heads}·D], tables [S, D/2]`,
      );
    }
    return x!.shape;
  },
  lower: (to, names, { inputs: [x], attrs }) => {
    const [batch, length] = x!.shape as [number, number, number];
    const positions = to.positions(batch, length);
    return to.emit(
      'RotaryEmbedding',
      [names[0]!, positions, names[1]!, names[2]!],
      { interleaved: { int: 0 }, num_heads: { int: attrs.heads } },
      'com.microsoft',
    );
  },
  evaluate: ([x, cos, sin], { heads }) => {
    const [batch, length, width] = x!.shape as [number, number, number];
    const half = width / heads / 2;
    const out = new Float64Array(x!.data.length);
    for (let row = 0; row < batch * length; row++) {
      for (let head = 0; head < heads; head++) {
        const start = row * width + head * 2 * half;
        for (let i = 0; i < half; i++) {
          const c = cos!.data[(row % length) * half + i]!;
          const s = sin!.data[(row % length) * half + i]!;
          const a = x!.data[start + i]!;
          const b = x!.data[start + half + i]!;
          out[start + i] = a * c - b * s;
          out[start + half + i] = b * c + a * s;
        }
      }
    }
    return out;
  },
  // A rotation's transpose is the rotation back.
  vjp: (g, { inputs: [, cos, sin], attrs }, dy) => [
    g.rope(dy, cos!, g.scale(sin!, -1), attrs.heads),
    undefined,
    undefined,
  ],
});
