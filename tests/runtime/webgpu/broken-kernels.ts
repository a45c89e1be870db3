import { kernels, type KernelSource } from '../../../src/model/runtime/webgpu/kernels/index.ts';

/** Our kernels with some altered: by name, what is replaced by what in the source. */
export function brokenKernels(
  changes: Readonly<Record<string, readonly [from: string, to: string]>>,
): Record<string, KernelSource> {
  const broken: Record<string, KernelSource> = { ...kernels };
  for (const [name, [from, to]] of Object.entries(changes)) {
    const kernel = kernels[name];
    if (!kernel?.code.includes(from)) throw new Error(`The kernel ${name} does not contain "${from}".`);
    broken[name] = { ...kernel, code: kernel.code.replace(from, to) };
  }
  return broken;
}
