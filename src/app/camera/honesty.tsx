import { useFineTuneStore } from '../finetune/finetune-store.ts';
import { isShippedPolicy } from '../url-state.ts';
import { useViewStore } from '../view-store.ts';
import type { PolicyInfo } from '../../workers/contract.ts';

/** What the numbers mean for a visitor's own cameras: nothing, for a policy that knows the simulated table only. */
export function Honesty({ info }: { info: PolicyInfo }) {
  const taught = useFineTuneStore((state) => state.active !== null);
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
