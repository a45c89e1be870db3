import { expect, it } from 'vitest';
import { checkKernels } from '../../../src/model/runtime/webgpu/self-check.ts';
import { describeGpu } from '../../setup/gpu.ts';
import { checkOps } from './check-ops.ts';

describeGpu('our executor against float64, kernels for GPUs', (device) => {
  checkOps(device, 'tiled');

  it('finds all of them right in the self-check', async () => {
    expect(await checkKernels(device, { style: 'tiled' })).toMatchObject({ faults: [], styles: {} });
  });
});
