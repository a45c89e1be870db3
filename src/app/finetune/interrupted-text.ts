import type { RunInfo } from '../../workers/boundary/contract-finetune.ts';

/** What has become of a run that did not reach its end, and what it takes to go on with it. */
export function interruptedText(
  { run, step, packageHash, demonstrations }: RunInfo,
  now: {
    /** Fingerprint of the demonstrations that are open. */
    readonly open: string | null;
    /** Of the loaded policy. */
    readonly packageHash: string | null;
  },
): string {
  const was = `“${run}” was interrupted`;
  if (packageHash !== now.packageHash)
    return `${was} at step ${step}. It is of another policy: load that one to use it or to go on.`;
  if (demonstrations.fingerprint === now.open || demonstrations.url !== null)
    return `${was}. It goes on from step ${step}, on the same curve.`;
  return `${was}. What it had learned by step ${step} can be used. To go on, “${demonstrations.name}” has to be open as it was then.`;
}
