/** The adapter in use is in use again at the next visit. */
import { policyWorker } from '../policy/policy-session.ts';
import { loadedPolicy } from '../policy/policy-store.ts';
import { remember, remembered } from '../remembered.ts';
import { useCompareStore } from './compare-store.ts';
import { useFineTuneStore } from './finetune-store.ts';

/** To be called when another adapter has come into use, or where it came from has changed. */
export async function rememberAdapter(): Promise<void> {
  const { active: now, adapters, runs } = useFineTuneStore.getState();
  // A comparison puts both sides into use in turn: closed in between, what was in use before it is wanted again.
  const { running, backTo } = useCompareStore.getState();
  const active = running ? backTo : now;
  const policy = loadedPolicy()?.package.hash;
  if (!policy) return;
  const info = adapters.find(({ id }) => id === active);
  if (!info) return remember(policy, 'adapter', null);
  const { origin, step, label } = info;
  const stored =
    origin.kind === 'run' &&
    runs.some(({ run, checkpoints }) => run === origin.run && checkpoints.includes(step));
  if (stored) return remember(policy, 'adapter', { kind: 'run', run: origin.run, step });
  const { file } = await policyWorker().adapters.file(info.id);
  return remember(policy, 'adapter', { kind: 'file', label, file });
}

/** Lays the adapter of the last visit over the policy. @returns whether there was one */
export async function restoreAdapter(): Promise<boolean> {
  const policy = loadedPolicy()?.package.hash;
  const kept = policy ? await remembered(policy, 'adapter') : null;
  if (!kept || loadedPolicy()?.package.hash !== policy) return false;
  const { adapters } = policyWorker();
  if ((await adapters.list()).active !== null) return false;
  const { id } =
    kept.kind === 'run'
      ? await adapters.openRun(kept.run, kept.step)
      : await adapters.openFile(kept.file, kept.label);
  await adapters.use(id);
  return true;
}
