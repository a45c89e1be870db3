import { useState } from 'react';
import { successRate } from '../../practice/success-rate.ts';
import type { PolicyInfo } from '../../workers/contract.ts';
import { InstructionField } from '../instruction/instruction-field.tsx';
import { useInstructionStore } from '../instruction/instruction-store.ts';
import { PolicyGate } from '../policy/policy-gate.tsx';
import { PolicySummary } from '../policy/policy-summary.tsx';
import { usePolicyInfo, usePolicyStore } from '../policy/policy-store.ts';
import { PredictionPanel } from '../prediction/prediction-panel.tsx';
import { FailureNotice } from '../status/failure-notice.tsx';
import { PolicyEyes } from './policy-eyes.tsx';
import { chooseAgain, chooseTable, disturbTable, limitSpeed, randomSeed } from './practice-session.ts';
import {
  doInstruction,
  runTrials,
  startPractice,
  startShow,
  stopPractice,
  TRIALS,
  whyNotOnTable,
} from './practice-run.ts';
import { usePracticeStore, type Outcome, type PracticeRun } from './practice-store.ts';
import { TablePicture } from './table-picture.tsx';
import { TrialRow } from './trial-row.tsx';
import './practice.css';

/** Actions per second of the table. */
const CONTROL_HZ = 10;

const percent = (value: number): string => `${Math.round(100 * value)} %`;
const seconds = (steps: number): string => `${(steps / CONTROL_HZ).toFixed(1)} s`;

function outcomeText(run: PracticeRun, outcome: Outcome): { text: string; tone: 'calm' | 'good' | 'bad' } {
  if (run.kind === 'replaying') return { text: 'Replaying', tone: 'calm' };
  if (run.kind === 'trials') return { text: `Trial ${run.done + 1} of ${run.total}`, tone: 'calm' };
  if (outcome.kind === 'success') return { text: `Done in ${seconds(outcome.steps)}.`, tone: 'good' };
  if (run.kind === 'running') return { text: `Working, ${seconds(run.steps)}`, tone: 'calm' };
  if (outcome.kind === 'gave-up')
    return { text: `Not managed within ${seconds(outcome.steps)}.`, tone: 'bad' };
  if (outcome.kind === 'stopped') return { text: 'Stopped.', tone: 'calm' };
  return { text: 'Ready.', tone: 'calm' };
}

function Stage({ info }: { info: PolicyInfo | null }) {
  const status = usePracticeStore((state) => state.status);
  const table = usePracticeStore((state) => state.table);
  const run = usePracticeStore((state) => state.run);
  const outcome = usePracticeStore((state) => state.outcome);
  const busy = run.kind === 'trials' || status.kind !== 'open';
  const { text, tone } = outcomeText(run, outcome);
  const tasks = status.kind === 'open' ? status.tasks : [];
  return (
    <section className="stage" aria-label="Practice table">
      <div className="stage-picture">
        {status.kind === 'failed' ? (
          <FailureNotice failure={status.failure} title="The practice table is not there">
            <button type="button" onClick={() => location.reload()}>
              Open it again
            </button>
          </FailureNotice>
        ) : (
          <TablePicture />
        )}
        {status.kind === 'opening' && (
          <p className="stage-note" aria-busy="true">
            Setting the table…
          </p>
        )}
        {status.kind === 'open' && info && (
          <p className={`stage-note stage-${tone}`} role="status">
            {text}
          </p>
        )}
        {info && <PolicyEyes info={info} />}
      </div>
      <div className="actions stage-tools">
        <div className="stage-task">
          <label htmlFor="table-task">Task</label>
          <select
            id="table-task"
            value={table?.task ?? ''}
            disabled={busy}
            onChange={(event) => {
              stopPractice();
              void chooseTable(event.target.value, randomSeed());
            }}
          >
            {tasks.map(({ name, heldOut }) => (
              <option key={name} value={name}>
                {name}
                {heldOut ? ' (never trained)' : ''}
              </option>
            ))}
          </select>
        </div>
        <button type="button" disabled={busy} onClick={() => void chooseAgain('same')}>
          Reset
        </button>
        <button type="button" disabled={busy} onClick={() => void chooseAgain('new')}>
          New layout
        </button>
        <button type="button" disabled={busy} onClick={() => void disturbTable()}>
          Disturb it
        </button>
      </div>
    </section>
  );
}

function Command({ info }: { info: PolicyInfo | null }) {
  const table = usePracticeStore((state) => state.table);
  const run = usePracticeStore((state) => state.run);
  const judged = usePracticeStore((state) => state.judged);
  const failure = usePracticeStore((state) => state.failure);
  const ensembling = usePracticeStore((state) => state.ensembling);
  const setEnsembling = usePracticeStore((state) => state.setEnsembling);
  const speedLimit = usePracticeStore((state) => state.speedLimit);
  const text = useInstructionStore((state) => state.text);
  const unfit = info && whyNotOnTable(info);
  const ready = info !== null && !unfit && table !== null;
  const idle = run.kind === 'idle';
  return (
    <section className="command" aria-label="What it should do">
      <InstructionField
        examples={table?.suggestions ?? []}
        onExample={(example) => void doInstruction(example)}
        onEdit={() => {
          if (run.kind === 'running' && run.by === 'show') stopPractice();
        }}
      />
      <div className="actions">
        {idle ? (
          <button
            type="button"
            className="button-primary button-large"
            disabled={!ready || !text.trim()}
            onClick={() => void startPractice()}
          >
            Do it
          </button>
        ) : (
          <button type="button" className="button-primary button-large" onClick={stopPractice}>
            Stop <kbd>Esc</kbd>
          </button>
        )}
        <button type="button" disabled={!ready || !idle} onClick={() => void startShow()}>
          Show me everything
        </button>
      </div>
      {!judged && text.trim() !== '' && (
        <p className="aside">
          Nobody can tell when this one is done: it is none of the table’s tasks, or what it needs is not on
          the table. The policy does its best until you stop it.
        </p>
      )}
      <label className="practice-switch">
        <input
          type="checkbox"
          checked={ensembling}
          onChange={(event) => setEnsembling(event.target.checked)}
        />
        <span>
          Temporal ensembling <span className="aside">predict after every action and blend the chunks</span>
        </span>
      </label>
      <label className="practice-speed">
        <span>
          Speed limit <span className="aside">{Math.round(100 * speedLimit)} % of the largest step</span>
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
      {unfit && <p className="aside">{unfit}</p>}
      {failure && <FailureNotice failure={failure} />}
    </section>
  );
}

function Trials({ info }: { info: PolicyInfo }) {
  const table = usePracticeStore((state) => state.table);
  const run = usePracticeStore((state) => state.run);
  const trials = usePracticeStore((state) => state.trials);
  const [seed, setSeed] = useState(1000);
  const successes = trials.filter(({ success }) => success).length;
  const rate = trials.length > 0 ? successRate(successes, trials.length) : null;
  return (
    <section className="trials" aria-labelledby="trials-title">
      <h2 id="trials-title">Does it work?</h2>
      <p className="section-hint">
        {TRIALS} episodes of this task on layouts it has never seen, as fast as this machine goes.
      </p>
      <div className="actions">
        <button
          type="button"
          disabled={run.kind !== 'idle' || !table || whyNotOnTable(info) !== null}
          onClick={() => void runTrials(table!.task, seed)}
        >
          Run {TRIALS} trials
        </button>
        <label className="trials-seed">
          <span>from seed</span>
          <input
            type="number"
            min={0}
            step={1}
            value={seed}
            onChange={(event) => setSeed(Math.max(0, Math.round(Number(event.target.value))))}
          />
        </label>
      </div>
      {rate && (
        <>
          <p className="trials-rate" role="status">
            <strong>{percent(rate.rate)}</strong> {trials[0]!.task}: {successes} of {trials.length}{' '}
            <span className="aside">
              95 % interval {percent(rate.low)} to {percent(rate.high)}
            </span>
          </p>
          <TrialRow trials={trials} />
        </>
      )}
    </section>
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
  return (
    <div className="practice">
      <Stage info={info} />
      <div className="practice-side">
        <Command info={info} />
        <PolicyState />
        {info && <Trials info={info} />}
      </div>
      {info && (
        <div className="practice-chunk">
          <PredictionPanel info={info} />
          <PolicySummary info={info} />
        </div>
      )}
    </div>
  );
}
