/** What a product has to be, element by element in float64: the twin that variants are checked against on the device. */
import { ModelError } from '../../../base/errors.ts';
import { erf } from '../../graph/erf.ts';
import { FINISH_INPUTS, FINISH_LENGTH } from './lowering/product.ts';
import type { Step } from './plan.ts';

/** The numbers, and the bits, that a read binding holds at an index. */
export interface Memory {
  float(binding: number, index: number): number;
  word(binding: number, index: number): number;
}

/** The result at a flat index of a step that a product was lowered to (`lowering/product.ts` has the order of its uniforms). */
export function productTwin({ params, constants }: Step, memory: Memory): (at: number) => number {
  const p = params.map(([, value]) => value);
  const [rows, columns, depth, blocks] = p as [number, number, number, number];
  const four = (from: number) => p.slice(from, from + 4) as [number, number, number, number];
  const [a, b, batch, aBatch, bBatch] = [four(4), four(8), four(12), four(16), four(20)];
  const starts = p.slice(24, 24 + FINISH_INPUTS);
  const scalars = p.slice(24 + FINISH_INPUTS, 24 + FINISH_INPUTS + FINISH_LENGTH);
  const of = (name: string) => constants[name] ?? 0;
  const bits = of('BITS');
  const startOf = (index: number, steps: readonly number[]) =>
    (index % batch[0]) * steps[0]! +
    (Math.floor(index / batch[0]) % batch[1]) * steps[1]! +
    Math.floor(index / batch[0] / batch[1]) * steps[2]!;
  const weight = (start: number, k: number, column: number): number => {
    if (bits === 32) return memory.float(1, start + k * b[1] + column * b[2]);
    const [row, inner] = of('BY_ROW') === 1 ? [k, column] : [column, k];
    const block = row * blocks + Math.floor(inner / 32);
    const perWord = 32 / bits;
    const word = memory.word(1, block * bits + Math.floor((inner % 32) / perWord));
    const code = (word >>> (bits * (inner % perWord))) & (2 ** bits - 1);
    return (code - 2 ** (bits - 1)) * memory.float(2, block);
  };
  return (at) => {
    const column = at % columns;
    const row = Math.floor(at / columns) % rows;
    const index = Math.floor(at / columns / rows);
    const aStart = a[0] + startOf(index, aBatch) + row * a[1];
    const bStart = b[0] + startOf(index, bBatch);
    let sum = 0;
    for (let k = 0; k < depth; k++) sum += memory.float(0, aStart + k * a[2]) * weight(bStart, k, column);
    const registers = [sum];
    for (let i = 0; i < of('E_INPUTS'); i++) {
      const place = [at, 0, column][of(`E_MODE${i}`)]!;
      registers[1 + i] = memory.float(3 + i, starts[i]! + place);
    }
    let result = sum;
    for (let i = 0; i < of('E_LENGTH'); i++) {
      result = applied(of(`E_OP${i}`), registers[of(`E_A${i}`)]!, registers[of(`E_B${i}`)]!, scalars[i]!);
      registers[1 + FINISH_INPUTS + i] = result;
    }
    return result;
  };
}

/** `apply.wgsl`. */
function applied(op: number, a: number, b: number, scalar: number): number {
  const results = [
    () => a,
    () => a + b,
    () => a - b,
    () => a * b,
    () => a / b,
    () => Math.exp(a),
    () => Math.log(a),
    () => Math.sqrt(a),
    () => erf(a),
    () => Math.max(a, 0),
    () => (a > 0 ? 1 : 0),
    () => 1 / (1 + Math.exp(-a)),
    () => 0.5 * a * (1 + erf(a * Math.SQRT1_2)),
    () => a * scalar,
    () => a + scalar,
  ];
  const compute = results[op];
  if (!compute) throw new ModelError('unsupported', `There is no element-wise op ${op}.`);
  return compute();
}
