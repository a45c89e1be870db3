/** What tests of kernels share: reading results back. */
import { GpuRun, readBuffer } from '../../src/model/kernels/gpu-run.ts';
import { withoutGpuErrors } from './gpu.ts';

/**
 * Records and submits `work`, and reads the buffers it returns (with their numbers of floats), which may be any
 * temporaries of the run.
 */
export async function floatsOf(
  device: GPUDevice,
  work: (run: GpuRun) => readonly (readonly [GPUBuffer, number])[],
): Promise<Float32Array[]> {
  return withoutGpuErrors(device, async () => {
    const run = new GpuRun(device, 'test');
    const results = work(run);
    for (const [buffer] of results) run.keep(buffer);
    run.submit();
    const floats: Float32Array[] = [];
    for (const [buffer, count] of results) {
      floats.push(new Float32Array(await readBuffer(device, buffer, count * 4)));
      buffer.destroy();
    }
    return floats;
  });
}
