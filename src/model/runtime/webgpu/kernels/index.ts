/** Every kernel by name: its source and how many buffers it reads. */
import apply from './apply.wgsl?raw';
import attention from './attention.wgsl?raw';
import chain from './chain.wgsl?raw';
import dequantise from './dequantise.wgsl?raw';
import erf from '../../../kernels/erf.wgsl?raw';
import finish from './finish.wgsl?raw';
import normalize from './normalize.wgsl?raw';
import pad from './pad.wgsl?raw';
import product from './product.wgsl?raw';
import reduce from './reduce.wgsl?raw';
import reducePlaces from './reduce-places.wgsl?raw';
import reduceShared from './reduce-shared.wgsl?raw';
import rope from './rope.wgsl?raw';

export interface KernelSource {
  readonly code: string;
  /** Bindings 1 … reads are read, the next is written; 0 are the uniforms. */
  readonly reads: number;
}

const joined = (...parts: string[]): string => parts.join('\n');

export const kernels: Readonly<Record<string, KernelSource>> = {
  attention: { code: attention, reads: 4 },
  chain: { code: joined(erf, apply, chain), reads: 6 },
  dequantise: { code: dequantise, reads: 2 },
  normalize: { code: normalize, reads: 3 },
  pad: { code: pad, reads: 1 },
  product: { code: joined(erf, apply, finish, product), reads: 7 },
  reduce: { code: joined(reducePlaces, reduce), reads: 1 },
  'reduce-shared': { code: joined(reducePlaces, reduceShared), reads: 1 },
  rope: { code: rope, reads: 3 },
};
