import { defineOp, type Dense, type OpDefinition } from '../op.ts';
import { badShape, expectFloat, lastDim, sameShape, show } from '../shape-check.ts';
import type { Value } from '../types.ts';
import { ownKernelOnly } from './own-kernel.ts';

interface Epsilon {
  readonly [name: string]: number;
  readonly eps: number;
}

function checkVector(op: string, x: Value, vector: Value): void {
  if (vector.shape.length !== 1 || vector.shape[0] !== lastDim(op, x)) {
    throw badShape(
      op,
      `a parameter of shape ${show(vector.shape)} for ${show(x.shape)}`,
      `[${x.shape.at(-1)}]`,
    );
  }
}

function mapRows(x: Dense, f: (row: Float64Array) => Float64Array): Float64Array {
  const width = x.shape.at(-1)!;
  const out = new Float64Array(x.data.length);
  for (let start = 0; start < out.length; start += width)
    out.set(f(x.data.subarray(start, start + width)), start);
  return out;
}

function mean(row: Float64Array): number {
  return row.reduce((sum, v) => sum + v, 0) / row.length;
}

/** (x − mean) / √(var + eps) · weight + bias over the last axis (torch.nn.LayerNorm). */
export const layerNorm = defineOp<Epsilon>({
  arity: [3, 3],
  infer: ([x, weight, bias]) => {
    expectFloat('layerNorm', x!, weight!, bias!);
    checkVector('layerNorm', x!, weight!);
    checkVector('layerNorm', x!, bias!);
    return x!.shape;
  },
  lower: (to, names, { attrs }) =>
    to.emit('LayerNormalization', names, { axis: { int: -1 }, epsilon: attrs.eps }),
  evaluate: ([x, weight, bias], { eps }) =>
    mapRows(x!, (row) => {
      const mu = mean(row);
      const rstd = 1 / Math.sqrt(mean(row.map((v) => (v - mu) ** 2)) + eps);
      return row.map((v, i) => (v - mu) * rstd * weight!.data[i]! + bias!.data[i]!);
    }),
  vjp: (g, { inputs: [x, weight, bias], attrs }, dy, needs, fused) => {
    const centred = g.sub(x!, g.meanLast(x!));
    const std = g.sqrt(g.addScalar(g.meanLast(g.mul(centred, centred)), attrs.eps));
    const normal = g.div(centred, std);
    const dNormal = g.mul(dy, weight!);
    const inputGrad = () => {
      const along = g.mul(normal, g.meanLast(g.mul(dNormal, normal)));
      return g.div(g.sub(g.sub(dNormal, g.meanLast(dNormal)), along), std);
    };
    const fusedGrad = (): Value => g.apply('layerNormGradient', [x!, weight!, dy], attrs);
    return [
      needs[0] ? (fused ? fusedGrad() : inputGrad()) : undefined,
      needs[1] ? g.sumTo(g.mul(dy, normal), weight!.shape) : undefined,
      needs[2] ? g.sumTo(dy, bias!.shape) : undefined,
    ];
  },
});

/** x / √(mean(x²) + eps) · weight over the last axis (LlamaRMSNorm). */
export const rmsNorm = defineOp<Epsilon>({
  arity: [2, 2],
  infer: ([x, weight]) => {
    expectFloat('rmsNorm', x!, weight!);
    checkVector('rmsNorm', x!, weight!);
    return x!.shape;
  },
  lower: (to, names, { attrs }) =>
    to.emit('SimplifiedLayerNormalization', names, { axis: { int: -1 }, epsilon: attrs.eps }),
  evaluate: ([x, weight], { eps }) =>
    mapRows(x!, (row) => {
      const scale = 1 / Math.sqrt(mean(row.map((v) => v * v)) + eps);
      return row.map((v, i) => v * scale * weight!.data[i]!);
    }),
  vjp: (g, { inputs: [x, weight], attrs }, dy, needs, fused) => {
    const rms = g.sqrt(g.addScalar(g.meanLast(g.mul(x!, x!)), attrs.eps));
    const normal = g.div(x!, rms);
    const dNormal = g.mul(dy, weight!);
    const inputGrad = () => g.div(g.sub(dNormal, g.mul(normal, g.meanLast(g.mul(dNormal, normal)))), rms);
    const fusedGrad = (): Value => g.apply('rmsNormGradient', [x!, weight!, dy], attrs);
    return [
      needs[0] ? (fused ? fusedGrad() : inputGrad()) : undefined,
      needs[1] ? g.sumTo(g.mul(dy, normal), weight!.shape) : undefined,
    ];
  },
});

/** x, weight, dy → the gradient of x, of one of the norms above. Only our executor has a kernel of it. */
const normGradient = (op: string, centred: boolean): OpDefinition =>
  defineOp<Epsilon>({
    arity: [3, 3],
    infer: ([x, weight, dy]) => {
      expectFloat(op, x!, weight!, dy!);
      checkVector(op, x!, weight!);
      if (!sameShape(x!.shape, dy!.shape)) throw badShape(op, `dy ${show(dy!.shape)}`, show(x!.shape));
      return x!.shape;
    },
    ...ownKernelOnly(op),
    evaluate: ([x, weight, dy], { eps }) => {
      let start = 0;
      return mapRows(x!, (row) => {
        const mu = centred ? mean(row) : 0;
        const rstd = 1 / Math.sqrt(mean(row.map((v) => (v - mu) ** 2)) + eps);
        const normal = row.map((v) => (v - mu) * rstd);
        const dNormal = row.map((_, i) => dy!.data[start + i]! * weight!.data[i]!);
        start += row.length;
        const along = mean(dNormal.map((v, i) => v * normal[i]!));
        const level = centred ? mean(dNormal) : 0;
        return row.map((_, i) => rstd * (dNormal[i]! - level - normal[i]! * along));
      });
    },
  });

export const layerNormGradient = normGradient('layerNormGradient', true);
export const rmsNormGradient = normGradient('rmsNormGradient', false);

/** exp(x) / Σ exp(x) over the last axis. */
export const softmax = defineOp({
  arity: [1, 1],
  infer: ([x]) => {
    expectFloat('softmax', x!);
    lastDim('softmax', x!);
    return x!.shape;
  },
  lower: (to, names) => to.emit('Softmax', names, { axis: { int: -1 } }),
  evaluate: ([x]) =>
    mapRows(x!, (row) => {
      const max = row.reduce((a, b) => Math.max(a, b), -Infinity);
      const exps = row.map((v) => Math.exp(v - max));
      const sum = exps.reduce((a, b) => a + b, 0);
      return exps.map((v) => v / sum);
    }),
  vjp: (g, { output }, dy) => {
    const product = g.mul(dy, output);
    return [g.sub(product, g.mul(output, g.sumLast(product)))];
  },
});
