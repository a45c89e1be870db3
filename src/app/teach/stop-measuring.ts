import { policyWorker } from '../policy/policy-session.ts';
import { useTeachStore } from './teach-store.ts';

/** The visitor goes on with something else, which is not to wait until a lesson's time is measured (lesson-pace.ts). */
export function stopMeasuring(): void {
  if (useTeachStore.getState().length.kind !== 'measuring') return;
  void policyWorker()
    .cancel('switching')
    .catch(() => undefined);
}
