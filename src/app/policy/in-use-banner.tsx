import { chooseAdapter } from '../finetune/adapter-session.ts';
import { useFineTuneStore } from '../finetune/finetune-store.ts';
import { usePolicyInfo, useTraining } from './policy-store.ts';
import './policy.css';

/** Says so where another robot's policy predicts, with the way back. */
export function InUseBanner() {
  const info = usePolicyInfo();
  const training = useTraining();
  const adapters = useFineTuneStore((state) => state.adapters);
  const active = useFineTuneStore((state) => state.active);
  const taught = useFineTuneStore((state) => state.options.robot);
  const adapter = adapters.find(({ id }) => id === active);
  if (!info?.adapted || !(training ? taught : adapter?.robot)) return null;
  const sizes = `${info.actions.length} action values, ${info.imageSlots.length} ${info.imageSlots.length === 1 ? 'image' : 'images'}, ${info.state ? `${info.state.length} state values` : 'no state'}`;
  return (
    <section className="notice notice-calm in-use" aria-label="Policy in use">
      <p>
        In use: <strong>{info.robot}</strong> <span className="aside">{sizes}</span>
        {training ? ', as trained so far' : adapter && `, from “${adapter.label}”`}.
      </p>
      {!training && (
        <button type="button" onClick={() => void chooseAdapter(null)}>
          Back to the original policy
        </button>
      )}
    </section>
  );
}
