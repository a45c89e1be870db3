import type { MouseEvent } from 'react';
import { usePolicyStore, useTraining, type PolicyStatus } from '../policy/policy-store.ts';
import { useRunStore, type RunStatus } from '../prediction/run-store.ts';
import { useFineTuneStore } from '../finetune/finetune-store.ts';
import { useShareStore } from '../share/share-store.ts';
import { STEPS, type Step } from '../url-state.ts';
import { useViewStore } from '../view-store.ts';
import './masthead.css';

/** @param shared whether what a link shares is still on its way: what would act until then is not what was shared */
function phase(policy: PolicyStatus, run: RunStatus, shared: boolean): { text: string; tone: string } {
  if (policy.kind === 'asking') return { text: 'Waiting for your permission', tone: 'idle' };
  if (policy.kind === 'inspecting') return { text: 'Checking this machine', tone: 'busy' };
  if (policy.kind === 'inspected') return { text: 'Policy not loaded', tone: 'idle' };
  if (policy.kind === 'loading') return { text: 'Loading policy', tone: 'busy' };
  if (policy.kind === 'failed' && policy.failure.code === 'cancelled') {
    return { text: 'Policy not loaded', tone: 'idle' };
  }
  if (policy.kind === 'failed') return { text: 'Needs attention', tone: 'fail' };
  if (run.kind === 'streaming') return { text: 'Predicting', tone: 'live' };
  if (run.kind === 'once' || run.kind === 'stopping') return { text: 'Finishing', tone: 'busy' };
  if (shared) return { text: 'Loading what was shared', tone: 'busy' };
  return { text: 'Policy ready', tone: 'ready' };
}

const LABELS: Record<Step, string> = {
  run: 'Run',
  demonstrations: 'Demonstrations',
  'fine-tune': 'Fine-tune',
  share: 'Share',
  models: 'Models',
};

/** A link, so that a step can be opened in a tab of its own. */
function hrefOf(step: Step): string {
  const url = new URL(location.href);
  if (step === 'run') url.searchParams.delete('step');
  else url.searchParams.set('step', step);
  return url.pathname + url.search;
}

/** What this page is, what it is doing now, and the four steps. */
export function Masthead() {
  const policy = usePolicyStore((state) => state.status);
  const run = useRunStore((state) => state.status);
  const training = useTraining();
  const shared = useShareStore(({ opened }) => opened.kind === 'known' && opened.agreed);
  const episodes = useFineTuneStore(({ demonstrations }) =>
    demonstrations.kind === 'open' ? demonstrations.info.episodes.length : 0,
  );
  const current = useViewStore((state) => state.step);
  const setStep = useViewStore((state) => state.setStep);
  const { text, tone } = training ? { text: 'Fine-tuning', tone: 'live' } : phase(policy, run, shared);
  const open = (event: MouseEvent, step: Step): void => {
    // Another tab or window is the browser's business.
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    setStep(step);
    window.scrollTo({ top: 0 });
  };
  return (
    <header className="mast">
      <div className="mast-inner">
        <h1>{import.meta.env.PAGE_TITLE}</h1>
        <nav className="mast-steps" aria-label="Steps">
          <ol>
            {STEPS.map((step, index) => (
              <li key={step}>
                <a
                  href={hrefOf(step)}
                  aria-current={current === step ? 'page' : undefined}
                  onClick={(event) => open(event, step)}
                >
                  <span className="mast-number" aria-hidden="true">
                    {index + 1}
                  </span>{' '}
                  {LABELS[step]}
                  {step === 'demonstrations' && episodes > 0 && (
                    <span className="mast-count">
                      {episodes} <span className="visually-hidden">episodes</span>
                    </span>
                  )}
                </a>
              </li>
            ))}
          </ol>
          <a
            className="mast-models"
            href={hrefOf('models')}
            aria-current={current === 'models' ? 'page' : undefined}
            onClick={(event) => open(event, 'models')}
          >
            Models
          </a>
        </nav>
        <p className={`mast-phase tone-${tone}`} role="status">
          {text}
        </p>
      </div>
    </header>
  );
}
