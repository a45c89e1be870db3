/** The image pipeline on real-sized images: every stage of `preprocess.safetensors`, on the CPU and, where there is one, on the GPU. */
import type { Runtime } from '../../src/model/runtime/runtime.ts';
import type { Row } from './compare.ts';
import type { CaseFiles } from './golden.ts';

export async function runPreprocess(_files: CaseFiles, _runtime: Runtime): Promise<Row[]> {
  throw new Error('written once the image processor is in');
}
