import { ModelError } from '../../../base/errors.ts';
import type { OpDefinition } from '../op.ts';

/** What an op lacks that only our WebGPU executor computes, as a part of a gradient: `vjp` writes it only where it is asked to. */
export const ownKernelOnly = (op: string): Pick<OpDefinition, 'lower' | 'vjp'> => ({
  lower: () => {
    throw new ModelError('unsupported', `${op} is computed by our WebGPU executor only, not by onnxruntime.`);
  },
  vjp: () => {
    throw new ModelError('unsupported', `${op} has no gradient.`);
  },
});
