import { BLOCK_SIZE } from '../../src/model/graph/types.ts';
import type { EncodedTensor } from '../../src/model/weights/encoding.ts';
import type { BlockShape } from './llama-block.ts';

export interface BlockWeights {
  readonly linears: Readonly<Record<string, EncodedTensor>>;
  readonly norms: readonly [Float32Array, Float32Array];
  readonly rope: { readonly cos: Float32Array; readonly sin: Float32Array };
}

/**
 * Some rows of a LLaMA decoder layer, in float64 with plain loops and no code shared with the graphs.
 *
 * Every key is needed, so all of k_proj is computed; values are not: Σ pⱼ (W xⱼ) = W Σ pⱼ xⱼ. That turns minutes into seconds.
 */
export function twinRows(
  shape: BlockShape,
  x: Float32Array,
  weights: BlockWeights,
  rows: readonly number[],
): Float64Array[] {
  const { hidden, heads, tokens } = shape;
  const headDim = hidden / heads;
  const normed = Array.from({ length: tokens }, (_, t) =>
    rmsNorm(x.subarray(t * hidden, (t + 1) * hidden), weights.norms[0]),
  );
  const keyMatrix = dequantised(weights.linears['self_attn.k_proj']!);
  const valueMatrix = dequantised(weights.linears['self_attn.v_proj']!);
  const keys = normed.map((row, t) => rotate(multiply(keyMatrix, row), weights.rope, t, heads));
  const linear = (name: string, row: Float64Array) => multiply(dequantised(weights.linears[name]!), row);

  return rows.map((t) => {
    const query = rotate(linear('self_attn.q_proj', normed[t]!), weights.rope, t, heads);
    const mixed = new Float64Array(hidden);
    for (let head = 0; head < heads; head++) {
      const start = head * headDim;
      const scores = keys.map((key) => dot(query, key, start, start, headDim) / Math.sqrt(headDim));
      const max = Math.max(...scores);
      const exps = scores.map((s) => Math.exp(s - max));
      const sum = exps.reduce((a, b) => a + b, 0);
      const mean = new Float64Array(hidden);
      exps.forEach((e, j) => {
        const row = normed[j]!;
        for (let i = 0; i < hidden; i++) mean[i]! += (e / sum) * row[i]!;
      });
      for (let i = 0; i < headDim; i++)
        mixed[start + i] = dot(valueMatrix, mean, (start + i) * hidden, 0, hidden);
    }
    const attended = linear('self_attn.o_proj', mixed);
    const h = attended.map((v, i) => v + x[t * hidden + i]!);
    const normed2 = rmsNorm(h, weights.norms[1]);
    const gate = linear('mlp.gate_proj', normed2);
    const up = linear('mlp.up_proj', normed2);
    const down = linear(
      'mlp.down_proj',
      gate.map((v, i) => (v / (1 + Math.exp(-v))) * up[i]!),
    );
    return down.map((v, i) => v + h[i]!);
  });
}

function rmsNorm(row: ArrayLike<number>, weight: Float32Array): Float64Array {
  let sum = 0;
  for (let i = 0; i < row.length; i++) sum += row[i]! * row[i]!;
  const scale = 1 / Math.sqrt(sum / row.length + 1e-6);
  return Float64Array.from({ length: row.length }, (_, i) => row[i]! * scale * weight[i]!);
}

function dequantised(weight: EncodedTensor): Float32Array {
  const out = new Float32Array(weight.data.length * 2);
  for (let i = 0; i < weight.data.length; i++) {
    const scale = weight.scales![Math.floor((2 * i) / BLOCK_SIZE)]!;
    out[2 * i] = ((weight.data[i]! & 15) - 8) * scale;
    out[2 * i + 1] = ((weight.data[i]! >> 4) - 8) * scale;
  }
  return out;
}

function multiply(matrix: Float32Array, row: Float64Array): Float64Array {
  const k = row.length;
  return Float64Array.from({ length: matrix.length / k }, (_, n) => dot(matrix, row, n * k, 0, k));
}

function dot(
  a: Float32Array | Float64Array,
  b: Float64Array,
  startA: number,
  startB: number,
  length: number,
): number {
  // Four sums at once: V8 keeps them in registers.
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  const whole = length - (length % 4);
  for (let i = 0; i < whole; i += 4) {
    s0 += a[startA + i]! * b[startB + i]!;
    s1 += a[startA + i + 1]! * b[startB + i + 1]!;
    s2 += a[startA + i + 2]! * b[startB + i + 2]!;
    s3 += a[startA + i + 3]! * b[startB + i + 3]!;
  }
  for (let i = whole; i < length; i++) s0 += a[startA + i]! * b[startB + i]!;
  return s0 + s1 + s2 + s3;
}

function rotate(
  row: Float64Array,
  rope: BlockWeights['rope'],
  position: number,
  heads: number,
): Float64Array {
  const headDim = row.length / heads;
  const half = headDim / 2;
  const out = new Float64Array(row.length);
  for (let i = 0; i < row.length; i++) {
    const inHead = i % headDim;
    const at = position * half + (inHead % half);
    const partner = inHead < half ? -row[i + half]! : row[i - half]!;
    out[i] = row[i]! * rope.cos[at]! + partner * rope.sin[at]!;
  }
  return out;
}
