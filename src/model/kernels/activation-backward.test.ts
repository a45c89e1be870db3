import { describe, expect, it } from 'vitest';
import { randomFloats } from '../../../tests/setup/compare.ts';
import { describeGpu } from '../../../tests/setup/gpu.ts';
import { floatsOf, numericGradient } from '../../../tests/setup/kernels.ts';
import { activationBackward as activationBackwardCpu } from './activation-backward.cpu.ts';
import { activationBackward } from './activation-backward.ts';
import { gelu } from './gelu.ts';

// One value, less and more than a workgroup, and the whole range where erf moves.
const COUNTS = [1, 63, 65, 4097];

/** From -8 to 8, zero among them where the count is odd. */
function operands(count: number) {
  const x = Float32Array.from({ length: count }, (_, i) => ((2 * i + 1 - count) / count) * 8);
  return {
    x: { data: x, rows: 1, columns: count },
    dy: { data: randomFloats(count, 1), rows: 1, columns: count },
  };
}

describe('activation-backward twin', () => {
  it('gelu is the derivative of gelu', () => {
    const { x, dy } = operands(333);
    // Each output depends on its own input only.
    const loss = (values: Float64Array): number =>
      values.reduce((sum, value, i) => sum + dy.data[i]! * gelu(value), 0);
    expect(activationBackwardCpu(x, dy, 'gelu').data).toBeNear(numericGradient(loss, x.data), 1e-6);
  });

  it('relu passes what was positive and nothing at 0', () => {
    const x = { data: Float32Array.of(-2, -0, 0, 1e-30, 3), rows: 1, columns: 5 };
    const dy = { ...x, data: Float32Array.of(1, 2, 3, 4, -5) };
    expect([...activationBackwardCpu(x, dy, 'relu').data]).toEqual([0, 0, 0, 4, -5]);
  });

  it('stays finite far outside', () => {
    const x = { data: Float32Array.of(-1e30, -40, 40, 1e30), rows: 1, columns: 4 };
    const dy = { ...x, data: Float32Array.of(1, 1, 1, 1) };
    expect(activationBackwardCpu(x, dy, 'gelu').data).toBeNear([0, 0, 1, 1], 0);
  });

  it('refuses a gradient of another shape', () => {
    const { x, dy } = operands(6);
    expect(() => activationBackwardCpu(x, { ...dy, rows: 2, columns: 3 }, 'relu')).toThrow(
      /relu: the gradient is \[2, 3\]/,
    );
  });
});

describeGpu('activation-backward', (device) => {
  it.each(COUNTS)('%i values', async (count) => {
    const { x, dy } = operands(count);
    for (const activation of ['relu', 'gelu'] as const) {
      const [dx] = await floatsOf(device, (run) => {
        const buffers = [run.upload(x.data), run.upload(dy.data)] as const;
        const result = activationBackward(
          run,
          { ...x, data: buffers[0] },
          { ...dy, data: buffers[1] },
          activation,
        );
        return [[result.data, count]];
      });
      expect(dx).toBeNear(activationBackwardCpu(x, dy, activation).data, 1e-6, activation);
    }
  });

  it('gelu stays finite far outside', async () => {
    const x = Float32Array.of(-1e30, -40, 40, 1e30);
    const [dx] = await floatsOf(device, (run) => {
      const input = { data: run.upload(x), rows: 1, columns: 4 };
      const dy = { ...input, data: run.upload(Float32Array.of(1, 1, 1, 1)) };
      return [[activationBackward(run, input, dy, 'gelu').data, 4]];
    });
    expect(dx).toBeNear([0, 0, 1, 1], 1e-6);
  });
});
