import { usePolicyStore, type PolicyStatus } from '../policy/policy-store.ts';
import { useRunStore, type RunStatus } from '../prediction/run-store.ts';
import './masthead.css';

function phase(policy: PolicyStatus, run: RunStatus): { text: string; tone: string } {
  if (policy.kind === 'inspecting') return { text: 'Checking this machine', tone: 'busy' };
  if (policy.kind === 'inspected') return { text: 'Policy not loaded', tone: 'idle' };
  if (policy.kind === 'loading') return { text: 'Loading policy', tone: 'busy' };
  if (policy.kind === 'failed' && policy.failure.code === 'cancelled') {
    return { text: 'Policy not loaded', tone: 'idle' };
  }
  if (policy.kind === 'failed') return { text: 'Needs attention', tone: 'fail' };
  if (run.kind === 'streaming') return { text: 'Predicting', tone: 'live' };
  if (run.kind === 'once' || run.kind === 'stopping') return { text: 'Finishing', tone: 'busy' };
  return { text: 'Policy ready', tone: 'ready' };
}

/** What this page is, and what it is doing now. */
export function Masthead() {
  const policy = usePolicyStore((state) => state.status);
  const run = useRunStore((state) => state.status);
  const { text, tone } = phase(policy, run);
  return (
    <header className="mast">
      <div className="mast-inner">
        <h1>OpenVLA Web</h1>
        <p className="mast-what">
          Camera images and an instruction go in; the next actions of a robot come out, computed in this page.
        </p>
        <p className={`mast-phase tone-${tone}`} role="status">
          {text}
        </p>
      </div>
    </header>
  );
}
