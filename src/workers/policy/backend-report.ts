import type { BackendChoice } from '../../model/runtime/backend.ts';
import type { Runtime } from '../../model/runtime/runtime.ts';
import type { BackendReport } from '../boundary/contract.ts';

/** @param runtime what was opened for the choice; without it nothing is known yet of its kernels */
export function backendReport(
  { backend, reason, adapter, threads }: BackendChoice,
  runtime?: Pick<Runtime, 'kernelReport'>,
): BackendReport {
  const { executor, check, tuned } = runtime?.kernelReport ?? {};
  const gpu = executor && tuned ? { executor, check: check ?? null, tuned: [...tuned] } : null;
  return { backend, reason, adapter, threads, gpu };
}
