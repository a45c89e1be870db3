/** Calls on the worker about fine-tuning, and what is on this device because of them. */
import { failPolicy, policyWorker } from '../policy/policy-session.ts';
import { needsRestart, toFailure, type Failure } from '../status/failure.ts';
import { rememberAdapter, restoreAdapter } from './adapter-memory.ts';
import { useFineTuneStore } from './finetune-store.ts';
import { asOwned } from './own-adapters.ts';

const set = useFineTuneStore.setState;

/** A dead worker or a lost GPU is the whole page's failure; everything else is the panel's. */
export function failed(error: unknown): Failure {
  const failure = toFailure(error);
  if (needsRestart(failure.code)) failPolicy(failure);
  return failure;
}

/** Runs one call on the worker and shows what went wrong, if anything. */
export async function act(call: () => Promise<unknown>): Promise<void> {
  set({ failure: null });
  try {
    await call();
  } catch (error) {
    set({ failure: failed(error) });
  }
}

/** Reads what is on this device: after loading a policy, and after every change. */
export async function refreshRuns(): Promise<void> {
  try {
    const [runs, { adapters, active }] = [
      await policyWorker().training.runs(),
      await policyWorker().adapters.list(),
    ];
    set({ runs, adapters: asOwned(adapters), active });
  } catch (error) {
    set({ failure: failed(error) });
  }
}

/** What lies over the policy has changed, or where it could be read from again. */
export async function adapterChanged(): Promise<void> {
  await refreshRuns();
  // Of a worker that died nothing can be asked; the next visit finds what was remembered before.
  await rememberAdapter().catch(() => undefined);
}

/** After a policy was loaded: what is on this device, and the adapter that was in use at the last visit. */
export async function restoreRuns(): Promise<void> {
  await refreshRuns();
  try {
    if (await restoreAdapter()) await refreshRuns();
  } catch (error) {
    set({ failure: failed(error) });
  }
}
