/**
 * The gradient of attention without a matrix of scores in memory: weights are made again from three numbers a row (FlashAttention's
 * backward pass). With scores s = scale · q·kᵀ + bias, weights w = softmax(s) and dw = dy·vᵀ:
 *
 *   delta = Σ w · dw of each row,   ds = w · (dw − delta),   dq = scale · ds·k,   dk = scale · dsᵀ·q,   dv = wᵀ·dy
 *
 * Only our executor has kernels of them; elsewhere `vjp` writes the same as products.
 */
import { defineOp, type Dense } from '../op.ts';
import { badShape, expectFloat, sameShape, show } from '../shape-check.ts';
import { sizeOf, type Value } from '../types.ts';
import { broadcastIndex } from './indexing.ts';
import { ownKernelOnly } from './own-kernel.ts';

export interface Heads {
  readonly [name: string]: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly scale: number;
}

/** Numbers a row: the largest score, 1 / Σ exp(score − largest), delta. */
export const STATISTICS = 3;

function statisticsShape(q: Value, { heads }: Heads): number[] {
  return [q.shape[0]!, heads, q.shape[1]!, STATISTICS];
}

function check(op: string, inputs: readonly Value[], attrs: Heads, withStatistics: boolean): void {
  expectFloat(op, ...inputs);
  const [q, k, v, dy, ...rest] = inputs;
  const statistics = withStatistics ? rest.shift() : undefined;
  const [bias] = rest;
  const [batch, length, width] = q!.shape;
  const [kBatch, total, kWidth] = k!.shape;
  const fits =
    sameShape(q!.shape, dy!.shape) &&
    sameShape(k!.shape, v!.shape) &&
    batch === kBatch &&
    kWidth === (width! / attrs.heads) * attrs.kvHeads &&
    (!withStatistics || sameShape(statistics?.shape ?? [], statisticsShape(q!, attrs))) &&
    (!bias || (bias.shape[2] === length && bias.shape[3] === total));
  if (!fits)
    throw badShape(op, inputs.map(({ shape }) => show(shape)).join(', '), 'operands of an attention op');
}

/** q, k, v, dy, bias? → [B, heads, S, 3]. */
export const attentionStatistics = defineOp<Heads>({
  arity: [4, 5],
  infer: (inputs, attrs) => {
    check('attentionStatistics', inputs, attrs, false);
    return statisticsShape(inputs[0]!, attrs);
  },
  ...ownKernelOnly('attentionStatistics'),
  evaluate: ([q, k, v, dy, bias], attrs) => {
    const { rows } = evaluated(q!, k!, v!, dy!, bias, attrs);
    return Float64Array.from(rows.flatMap(({ top, sum, delta }) => [top, 1 / sum, delta]));
  },
});

/** q, k, v, dy, statistics, bias? → dq, of q's shape. */
export const attentionQueryGradient = defineOp<Heads>({
  arity: [5, 6],
  infer: (inputs, attrs) => {
    check('attentionQueryGradient', inputs, attrs, true);
    return inputs[0]!.shape;
  },
  ...ownKernelOnly('attentionQueryGradient'),
  evaluate: ([q, k, v, dy, , bias], attrs) => {
    const dq = new Float64Array(sizeOf(q!.shape));
    const { rows, dim } = evaluated(q!, k!, v!, dy!, bias, attrs);
    for (const { qStart, keyStart, weights, dWeights, delta } of rows) {
      weights.forEach((weight, key) => {
        const factor = attrs.scale * weight * (dWeights[key]! - delta);
        for (let i = 0; i < dim; i++) dq[qStart + i]! += factor * k!.data[keyStart(key) + i]!;
      });
    }
    return dq;
  },
});

/** q, k, v, dy, statistics, bias? → dk and dv, [2, B, T, kvHeads · D]. */
export const attentionKeyValueGradient = defineOp<Heads>({
  arity: [5, 6],
  infer: (inputs, attrs) => {
    check('attentionKeyValueGradient', inputs, attrs, true);
    return [2, ...inputs[1]!.shape];
  },
  ...ownKernelOnly('attentionKeyValueGradient'),
  evaluate: ([q, k, v, dy, , bias], attrs) => {
    const size = sizeOf(k!.shape);
    const made = new Float64Array(2 * size);
    const { rows, dim } = evaluated(q!, k!, v!, dy!, bias, attrs);
    for (const { qStart, keyStart, weights, dWeights, delta } of rows) {
      weights.forEach((weight, key) => {
        const factor = attrs.scale * weight * (dWeights[key]! - delta);
        for (let i = 0; i < dim; i++) {
          made[keyStart(key) + i]! += factor * q!.data[qStart + i]!;
          made[size + keyStart(key) + i]! += weight * dy!.data[qStart + i]!;
        }
      });
    }
    return made;
  },
});

/** One query of one head. */
interface Row {
  readonly qStart: number;
  readonly keyStart: (key: number) => number;
  readonly top: number;
  readonly sum: number;
  readonly weights: readonly number[];
  readonly dWeights: readonly number[];
  readonly delta: number;
}

function evaluated(
  q: Dense,
  k: Dense,
  v: Dense,
  dy: Dense,
  bias: Dense | undefined,
  { heads, kvHeads, scale }: Heads,
): { rows: Row[]; dim: number } {
  const [batch, length, width] = q.shape as [number, number, number];
  const total = k.shape[1]!;
  const dim = width / heads;
  const biasIndex = bias && broadcastIndex(bias.shape, [batch, heads, length, total]);
  const rows: Row[] = [];
  const dot = (a: Dense, aStart: number, b: Dense, bStart: number): number => {
    let sum = 0;
    for (let i = 0; i < dim; i++) sum += a.data[aStart + i]! * b.data[bStart + i]!;
    return sum;
  };
  for (let row = 0; row < batch * heads * length; row++) {
    const sample = Math.floor(row / length / heads);
    const head = Math.floor(row / length) % heads;
    const kvHead = Math.floor((head * kvHeads) / heads);
    const qStart = (sample * length + (row % length)) * width + head * dim;
    const keyStart = (key: number) => ((sample * total + key) * kvHeads + kvHead) * dim;
    const keys = Array.from({ length: total }, (_, key) => key);
    const scores = keys.map(
      (key) =>
        scale * dot(q, qStart, k, keyStart(key)) +
        (bias && biasIndex ? bias.data[biasIndex(row * total + key)]! : 0),
    );
    const top = Math.max(...scores);
    const powers = scores.map((score) => Math.exp(score - top));
    const sum = powers.reduce((a, b) => a + b, 0);
    const weights = powers.map((power) => power / sum);
    const dWeights = keys.map((key) => dot(dy, qStart, v, keyStart(key)));
    const delta = weights.reduce((all, weight, key) => all + weight * dWeights[key]!, 0);
    rows.push({ qStart, keyStart, top, sum, weights, dWeights, delta });
  }
  return { rows, dim };
}
