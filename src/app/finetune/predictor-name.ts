import { isTraining } from '../policy/policy-store.ts';
import { adapterName } from './adapter-name.ts';
import { useFineTuneStore } from './finetune-store.ts';

/** What predicts now, for people. */
export function predictorName(): string {
  const { active, adapters, progress } = useFineTuneStore.getState();
  if (isTraining()) return progress ? `${progress.run}, as far as it had come` : 'a run';
  const adapter = adapters.find(({ id }) => id === active);
  return adapter ? adapterName(adapter, adapters) : 'the original policy';
}
