import { useId } from 'react';
import type { PolicyInfo } from '../../workers/boundary/contract.ts';
import { PolicyGate } from '../policy/policy-gate.tsx';
import { PolicySummary } from '../policy/policy-summary.tsx';
import { usePolicyInfo, usePolicyStore } from '../policy/policy-store.ts';
import { Chunk, PredictionAbout } from '../prediction/prediction-panel.tsx';
import { Command } from './command.tsx';
import { whyNotOnTable } from './practice-run.ts';
import { chooseLoop, limitSpeed } from './practice-session.ts';
import { usePracticeStore } from './practice-store.ts';
import { Stage } from './stage.tsx';
import { Trials } from './trials.tsx';
import './practice.css';

/** What most visitors leave as it is. */
function Advanced({ info }: { info: PolicyInfo | null }) {
  const { ensembling, ahead, speedLimit, trialSeed, setTrialSeed } = usePracticeStore();
  const seed = useId();
  return (
    <details className="practice-advanced">
      <summary>Advanced</summary>
      <label className="practice-switch">
        <input
          type="checkbox"
          checked={ensembling}
          onChange={(event) => void chooseLoop({ ensembling: event.target.checked })}
        />
        <span>
          Temporal ensembling{' '}
          <span className="aside">predict after every action and average the overlapping chunks</span>
        </span>
      </label>
      <label className="practice-switch">
        <input
          type="checkbox"
          checked={ahead}
          onChange={(event) => void chooseLoop({ ahead: event.target.checked })}
        />
        <span>
          Predict ahead{' '}
          <span className="aside">the next actions are predicted while the arm moves, so it never waits</span>
        </span>
      </label>
      <label className="practice-speed">
        <span>
          Speed limit <span className="aside">{Math.round(100 * speedLimit)} % of full speed</span>
        </span>
        <input
          type="range"
          min={0.1}
          max={1}
          step={0.05}
          value={speedLimit}
          onChange={(event) => void limitSpeed(event.target.valueAsNumber)}
        />
      </label>
      {info && (
        <div className="trials-seed">
          <label htmlFor={seed}>Starting layout</label>
          <input
            id={seed}
            type="number"
            min={0}
            step={1}
            value={trialSeed}
            onChange={(event) => setTrialSeed(Math.max(0, Math.round(Number(event.target.value))))}
          />
          <span className="aside">seed of the first trial</span>
        </div>
      )}
    </details>
  );
}

/** The policy is on its way, or needs a decision. */
function PolicyState() {
  const status = usePolicyStore((state) => state.status);
  if (status.kind === 'ready') return null;
  if (status.kind !== 'inspecting' && status.kind !== 'loading') return <PolicyGate />;
  return (
    <p className="waiting" aria-busy="true">
      Loading the policy…
    </p>
  );
}

/** Something worth running at once: a simulated table and a policy that works on it. */
export function PracticePage() {
  const info = usePolicyInfo();
  // Which robot stands there is known once it is laid.
  usePracticeStore((state) => state.table);
  const fits = info !== null && whyNotOnTable(info) === null;
  return (
    <div className="practice">
      <p className="practice-intro">
        This robot policy runs in your browser. Tell the arm what to do, or drag an object.
      </p>
      <Stage info={info} />
      <div className="practice-side">
        <Command info={info} />
        <PolicyState />
        {fits && <Chunk info={info} />}
      </div>
      <div className="practice-more">
        {info && <Trials info={info} />}
        <Advanced info={info} />
        {info && (
          <div className="practice-about">
            <PredictionAbout info={info} />
            <PolicySummary info={info} />
          </div>
        )}
      </div>
    </div>
  );
}
