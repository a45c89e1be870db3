import { ModelError } from '../../base/errors.ts';

/**
 * Runs `task`, which makes GPU buffers, and turns the GPU running out of memory into an error of its own: WebGPU
 * reports it apart from the call, and would otherwise go on with buffers that hold nothing.
 *
 * @throws ModelError `out-of-memory`
 */
export async function withMemoryCheck<T>(device: GPUDevice | null, task: () => Promise<T>): Promise<T> {
  if (!device) return task();
  device.pushErrorScope('out-of-memory');
  let result: T;
  try {
    result = await task();
  } catch (error) {
    await device.popErrorScope().catch(() => null);
    throw error;
  }
  const exhausted = await device.popErrorScope();
  if (!exhausted) return result;
  throw new ModelError(
    'out-of-memory',
    `The GPU has no room for the policy's weights${exhausted.message ? ` (${exhausted.message})` : ''}.`,
    'Close other tabs and programs that use the GPU, or take a smaller or more strongly quantised package.',
  );
}
