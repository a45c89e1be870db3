import { describeGpu } from '../../setup/gpu.ts';
import { checkOps } from './check-ops.ts';

// The kernels of GPUs run in `npm run test:full`: SwiftShader takes a minute to compile them.
describeGpu('our executor against float64, kernels for software adapters', (device) =>
  checkOps(device, 'direct'),
);
