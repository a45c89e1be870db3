import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ModelError } from '../../src/base/errors.ts';
import { GraphBuilder } from '../../src/model/graph/builder.ts';
import { toOnnx } from '../../src/model/graph/onnx.ts';
import { ops, type OpName } from '../../src/model/graph/ops/index.ts';
import type { Value } from '../../src/model/graph/types.ts';
import { fuzzRuns } from '../setup/fuzz.ts';

const dim = fc.oneof(fc.integer({ min: 1, max: 6 }), fc.constantFrom(0, -1, 1.5, NaN, 2 ** 31, Infinity));
const shape = fc.array(dim, { maxLength: 5 });
const small = fc.array(fc.integer({ min: -2, max: 6 }), { maxLength: 5 });
const number = fc.oneof(fc.integer({ min: -3, max: 8 }), fc.constantFrom(0.5, NaN));

/** Every attribute any op reads, each with a value that may be nonsense. */
const attrs = fc.record({
  axis: number,
  start: number,
  end: number,
  before: number,
  after: number,
  heads: number,
  kvHeads: number,
  scale: number,
  value: number,
  eps: number,
  axes: small,
  perm: small,
  shape: small,
});

/** Computed by our WebGPU executor only. */
const WITHOUT_ONNX = new Set<OpName>([
  'attentionKeyValueGradient',
  'attentionQueryGradient',
  'attentionStatistics',
  'layerNormGradient',
  'rmsNormGradient',
]);

describe('shape inference', () => {
  it('takes any op, shapes and attributes, or refuses them with a ModelError', () => {
    const names = Object.keys(ops) as OpName[];
    let accepted = 0;
    let largest = 0;
    fc.assert(
      fc.property(
        fc.constantFrom(...names),
        fc.array(shape, { minLength: 1, maxLength: 4 }),
        attrs,
        (op, shapes, given) => {
          try {
            const g = new GraphBuilder('random');
            const inputs: Value[] = shapes.map((dims, i) => g.input(`x${i}`, dims));
            g.output('y', g.apply(op, inputs, given));
            const graph = g.build();
            if (WITHOUT_ONNX.has(op)) return;
            const model = toOnnx(graph);
            accepted += 1;
            largest = Math.max(largest, model.bytes.byteLength);
          } catch (error) {
            if (!(error instanceof ModelError) || error.code !== 'bad-shape') throw error;
          }
        },
      ),
      { numRuns: fuzzRuns(5000), seed: 11 },
    );
    expect(accepted).toBeGreaterThan(20);
    expect(largest).toBeLessThan(100_000);
  });
});
