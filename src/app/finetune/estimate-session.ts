/** What the options of a run cost: asked anew when they change. */
import type { FineTuneEstimate, FineTuneOptions } from '../../workers/boundary/contract-finetune.ts';
import { policyWorker } from '../policy/policy-session.ts';
import { isTraining } from '../policy/policy-store.ts';
import { useFineTuneStore, type EstimateStatus } from './finetune-store.ts';
import { optionErrors } from './option-errors.ts';
import { failed } from './worker-calls.ts';

const set = useFineTuneStore.setState;
const get = useFineTuneStore.getState;

/** What was estimated last; null before anything was. It stays while an answer to changed options is on its way. */
export function lastEstimate(status: EstimateStatus): FineTuneEstimate | null {
  if (status.kind === 'known') return status.estimate;
  return status.kind === 'asking' ? status.last : null;
}

/**
 * Whether a run may be started. Being asked anew does not take that away: a click right after a change would go nowhere. The worker refuses
 * by itself what does not fit.
 */
export function mayStart({
  estimate,
  options,
}: {
  readonly estimate: EstimateStatus;
  readonly options: FineTuneOptions;
}): boolean {
  return lastEstimate(estimate)?.refusal === null && Object.keys(optionErrors(options)).length === 0;
}

let estimateTimer = 0;
let question = 0;

/** Changes options and asks anew what they cost, once typing pauses. */
export function setOptions(change: Partial<FineTuneOptions>): void {
  set(({ options }) => ({ options: { ...options, ...change } }));
  clearTimeout(estimateTimer);
  estimateTimer = window.setTimeout(() => void refreshEstimate(), 300);
}

export async function refreshEstimate(): Promise<void> {
  const { options, demonstrations, estimate } = get();
  if (demonstrations.kind !== 'open' || isTraining() || Object.keys(optionErrors(options)).length > 0) return;
  const mine = ++question;
  set({ estimate: { kind: 'asking', last: lastEstimate(estimate) } });
  try {
    const answer = await policyWorker().training.estimate(options);
    if (mine === question) set({ estimate: { kind: 'known', estimate: answer } });
  } catch (error) {
    if (mine === question) set({ estimate: { kind: 'failed', failure: failed(error) } });
  }
}
