/** What the options of a run cost: asked anew when they change. */
import type { FineTuneOptions } from '../../workers/boundary/contract-finetune.ts';
import { policyWorker } from '../policy/policy-session.ts';
import { isTraining } from '../policy/policy-store.ts';
import { useFineTuneStore } from './finetune-store.ts';
import { optionErrors } from './option-errors.ts';
import { failed } from './worker-calls.ts';

const set = useFineTuneStore.setState;
const get = useFineTuneStore.getState;

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
  set({ estimate: { kind: 'asking', last: estimate.kind === 'known' ? estimate.estimate : null } });
  try {
    const answer = await policyWorker().training.estimate(options);
    if (mine === question) set({ estimate: { kind: 'known', estimate: answer } });
  } catch (error) {
    if (mine === question) set({ estimate: { kind: 'failed', failure: failed(error) } });
  }
}
