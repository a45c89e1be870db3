import { useFineTuneStore } from '../finetune/finetune-store.ts';
import { isShippedPolicy } from '../url-state.ts';
import { useViewStore } from '../view-store.ts';
import type { PolicyInfo } from '../../workers/boundary/contract.ts';

/** Demonstrations that were recorded on the simulated table, by what the page calls them. */
const ofTheTable = (name: string): boolean => /^(Practice table|Expert on the practice table)/.test(name);

/** What the numbers mean for a visitor's own cameras: nothing, for a policy that knows the simulated table only. */
export function Honesty({ info }: { info: PolicyInfo }) {
  const taught = useFineTuneStore(({ active, adapters, runs }) => {
    const origin = adapters.find(({ id }) => id === active)?.origin;
    const run = origin?.kind === 'run' ? runs.find((one) => one.run === origin.run) : null;
    // What was imported or shared may know real pictures.
    return active !== null && !(run && ofTheTable(run.demonstrations.name));
  });
  const setStep = useViewStore((state) => state.setStep);
  if (!isShippedPolicy(info.package.url) || taught) return null;
  return (
    <div className="notice notice-calm honesty" role="note">
      <p>
        <strong>These numbers mean nothing yet.</strong> This policy was trained on the simulated table and
        has never seen a real picture. Teach it with your camera first.
      </p>
      <div className="actions">
        <button type="button" onClick={() => setStep('demonstrations')}>
          Record with cameras
        </button>
      </div>
    </div>
  );
}
