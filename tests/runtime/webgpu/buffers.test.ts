import { expect, it } from 'vitest';
import { BufferPool } from '../../../src/model/runtime/webgpu/buffers.ts';
import { describeGpu } from '../../setup/gpu.ts';

const MB = 2 ** 20;

describeGpu('freed results that are kept', (device) => {
  it('are used again, and make room for a new one of another size', () => {
    const pool = new BufferPool(device);
    const [two, three, small] = [2 * MB, 3 * MB, 1024].map((size) => pool.take(size, 'result'));
    for (const buffer of [two!, three!, small!]) pool.give(buffer);
    expect(pool.keptBytes).toBe(5 * MB + 1024);
    expect(pool.take(2 * MB, 'result')).toBe(two);
    pool.give(two!);
    // 1 MB more: the largest goes, as nothing says that both are needed.
    const one = pool.take(MB, 'result');
    expect(pool.keptBytes).toBe(2 * MB + 1024);
    // More than is kept: all large ones go, and the small one, which does not count, stays.
    const four = pool.take(4 * MB, 'result');
    expect(pool.keptBytes).toBe(1024);
    for (const buffer of [one, four]) buffer.destroy();
    pool.dispose();
    expect(pool.keptBytes).toBe(0);
  });
});
