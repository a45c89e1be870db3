/** The self-check, once per device: what came of it is kept beside the choices of the tuner, which hold for adapter, browser and kernels. */
import { isUsable, type KernelCheck } from './kernel-report.ts';
import { checkKernels, type SelfCheckOptions } from './self-check.ts';
import type { TuningStore } from './tuner.ts';
import { styleFor } from './webgpu-runtime.ts';

/** To be raised when cases are added or a tolerance changes. */
const VERSION = 3;

/**
 * Where nothing of ours computes a kernel right, nothing is kept: the next visit checks again.
 * @throws ModelError as `checkKernels`
 */
export async function rememberedCheck(
  device: GPUDevice,
  store: TuningStore | null,
  options: SelfCheckOptions = {},
): Promise<KernelCheck> {
  const key = `self-check ${VERSION} ${options.style ?? styleFor(device)}`;
  const kept = checkOf((await store?.load())?.[key]);
  if (kept) return kept;
  const check = await checkKernels(device, options);
  if (store && isUsable(check))
    await store.save({ ...(await store.load()), [key]: JSON.stringify({ ...check, elapsedMs: null }) });
  return check;
}

/** Null for anything that is no kept check: checking anew costs little. */
function checkOf(text: string | undefined): KernelCheck | null {
  if (text === undefined) return null;
  try {
    const kept = JSON.parse(text) as KernelCheck | null;
    const whole = Array.isArray(kept?.right) && Array.isArray(kept.faults) && typeof kept.styles === 'object';
    return whole ? kept : null;
  } catch {
    return null;
  }
}
