import { usePolicyStore, type PolicyStatus } from '../policy/policy-store.ts';
import { useRunStore, type RunStatus } from '../prediction/run-store.ts';
import type { View } from '../url-state.ts';
import { useViewStore } from '../view-store.ts';
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

const views: { value: View; label: string }[] = [
  { value: 'table', label: 'Practice table' },
  { value: 'camera', label: 'Camera' },
];

/** What this page is, and what it is doing now. */
export function Masthead() {
  const policy = usePolicyStore((state) => state.status);
  const run = useRunStore((state) => state.status);
  const view = useViewStore((state) => state.view);
  const setView = useViewStore((state) => state.setView);
  const { text, tone } = phase(policy, run);
  return (
    <header className="mast">
      <div className="mast-inner">
        <h1>OpenVLA Web</h1>
        <p className="mast-what">
          Images and an instruction go in; the next actions of a robot come out, computed in this page.
        </p>
        <nav className="mast-views" aria-label="What the policy works on">
          {views.map(({ value, label }) => (
            <button
              key={value}
              type="button"
              aria-current={view === value ? 'page' : undefined}
              onClick={() => setView(value)}
            >
              {label}
            </button>
          ))}
        </nav>
        <p className={`mast-phase tone-${tone}`} role="status">
          {text}
        </p>
      </div>
    </header>
  );
}
