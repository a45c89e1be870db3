import { describe, expect, it } from 'vitest';
import { withMemoryCheck } from '../../src/model/runtime/memory-check.ts';

function deviceWith(error: { message: string } | null) {
  const calls: string[] = [];
  const device = {
    pushErrorScope: (filter: string) => calls.push(`push ${filter}`),
    popErrorScope: async () => {
      calls.push('pop');
      return error;
    },
  } as unknown as GPUDevice;
  return { device, calls };
}

describe('withMemoryCheck', () => {
  it('gives the result when the GPU had room', async () => {
    const { device, calls } = deviceWith(null);
    expect(await withMemoryCheck(device, async () => 5)).toBe(5);
    expect(calls).toEqual(['push out-of-memory', 'pop']);
  });

  it('fails when the GPU ran out of memory, although the task did not', async () => {
    const { device } = deviceWith({ message: 'no heap' });
    await expect(withMemoryCheck(device, async () => 5)).rejects.toMatchObject({
      code: 'out-of-memory',
      message: expect.stringContaining('no heap') as string,
    });
  });

  it('keeps the task’s own error and leaves no scope open', async () => {
    const { device, calls } = deviceWith({ message: 'no heap' });
    await expect(withMemoryCheck(device, () => Promise.reject(new Error('mine')))).rejects.toThrow('mine');
    expect(calls).toEqual(['push out-of-memory', 'pop']);
  });
});
