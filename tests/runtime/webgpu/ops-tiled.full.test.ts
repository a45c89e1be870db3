import { describeGpu } from '../../setup/gpu.ts';
import { checkOps } from './check-ops.ts';

describeGpu('our executor against float64, kernels for GPUs', (device) => checkOps(device, 'tiled'));
