import { useEffect, useState } from 'react';
import { successRate } from '../../practice/success-rate.ts';
import { goalOf } from '../../practice/tasks.ts';
import type { PolicyInfo } from '../../workers/boundary/contract.ts';
import { TRIALS, whyNotOnTable } from '../practice/practice-run.ts';
import { usePracticeStore } from '../practice/practice-store.ts';
import { TaskChoice } from '../practice/task-choice.tsx';
import { TablePicture } from '../practice/table-picture.tsx';
import { TrialRow } from '../practice/trial-row.tsx';
import { FailureNotice } from '../status/failure-notice.tsx';
import { compare, stopComparing } from './compare-session.ts';
import { useCompareStore, type Comparison, type Side } from './compare-store.ts';
import { useFineTuneStore } from './finetune-store.ts';
import { useTraining } from '../policy/policy-store.ts';
import '../practice/practice.css';

const percent = (value: number): string => `${Math.round(100 * value)} %`;

function SideView({ label, side }: { label: string; side: Side }) {
  const { trials } = side;
  const rate =
    trials.length > 0 ? successRate(trials.filter(({ success }) => success).length, trials.length) : null;
  return (
    <div className="compare-side">
      <h5>{label}</h5>
      <p className="trials-rate">
        <strong>{rate ? percent(rate.rate) : '–'}</strong>{' '}
        {side.otherRobot && <span className="aside">the original policy is for another robot</span>}
        {rate && (
          <span className="aside">
            {rate.successes} of {rate.episodes}, {percent(rate.low)} to {percent(rate.high)}
          </span>
        )}
      </p>
      <TrialRow trials={trials} />
    </div>
  );
}

function Row({ comparison }: { comparison: Comparison }) {
  return (
    <div className="compare-row" role="group" aria-label={`Success of ${comparison.task}`}>
      <h4>
        {comparison.task} {comparison.heldOut && <span className="aside">never trained before</span>}
      </h4>
      <div className="compare-sides">
        <SideView label="Before" side={comparison.before} />
        <SideView label="After" side={comparison.after} />
      </div>
    </div>
  );
}

interface Taught {
  readonly task: string;
  readonly adapter: string;
}

let lastTaught: Taught | null = null;

/** What the last run taught, where the table can judge it. The same object for the same answer. */
function taughtNow({
  progress,
  runs,
  adapters,
}: ReturnType<typeof useFineTuneStore.getState>): Taught | null {
  const run = runs.find(({ run: name }) => name === progress?.run);
  const adapter = adapters.findLast(({ origin }) => origin.kind === 'run' && origin.run === run?.run);
  const [task] = (run?.demonstrations.instructions ?? []).flatMap((text) => goalOf(text)?.task.name ?? []);
  if (!adapter || task === undefined) return null;
  if (lastTaught?.adapter !== adapter.id || lastTaught.task !== task)
    lastTaught = { task, adapter: adapter.id };
  return lastTaught;
}

/** True once a run has come to its end while this was on the page. */
function useRunJustDone(): boolean {
  const training = useTraining();
  const done = useFineTuneStore(({ progress }) => progress?.phase === 'done');
  const [seen, setSeen] = useState(false);
  if (training && !seen) setSeen(true);
  return seen && !training && done;
}

/** The point of it all: success on the practice table before and after, side by side, on the same layouts. */
export function CompareSection({ info }: { info: PolicyInfo }) {
  const status = usePracticeStore((state) => state.status);
  const task = usePracticeStore((state) => state.table?.task ?? null);
  const busy = useTraining();
  const adapters = useFineTuneStore((state) => state.adapters);
  const active = useFineTuneStore((state) => state.active);
  const { comparisons, running, failure } = useCompareStore();
  const [chosen, setChosen] = useState<string | null>(null);
  const [retention, setRetention] = useState(false);
  const [shown, setShown] = useState(false);
  // The table works only while it can be seen.
  useEffect(() => stopComparing, []);
  const byItself = useCompareStore((state) => state.byItself);
  const taught = useFineTuneStore(taughtNow);
  // The words of a dataset may be the table's and its robot another: then the table judges only where it is asked to.
  const ofTable = useFineTuneStore(({ origin }) => origin !== 'dataset');
  const due = useRunJustDone() && byItself && ofTable && !busy ? taught : null;
  useEffect(() => {
    if (due) setShown(true);
    if (due && status.kind === 'open') void compare([due.task], due.adapter);
    // oxlint-disable-next-line react/exhaustive-deps -- once per run, as soon as the table is open
  }, [due?.adapter, status.kind]);
  const adapter = active ?? adapters.at(-1)?.id ?? null;
  if (!adapter || whyNotOnTable(info) !== null) return null;
  const tasks = status.kind === 'open' ? status.tasks : [];
  const tested = chosen ?? taught?.task ?? task ?? '';
  const others = tasks.filter(({ name, heldOut }) => !heldOut && name !== tested).map(({ name }) => name);
  return (
    <section className="teach-part" aria-labelledby="compare-title">
      <h3 id="compare-title">Compare before and after</h3>
      <p className="section-hint">
        {TRIALS} episodes on the practice table before and after, on the same layouts, none of which was
        recorded.
      </p>
      {!shown && (
        <div className="actions">
          <button type="button" disabled={busy} onClick={() => setShown(true)}>
            Compare
          </button>
        </div>
      )}
      {shown && (
        <div className="compare">
          <div className="stage-picture compare-picture">
            <TablePicture />
          </div>
          <div className="compare-choice">
            <TaskChoice
              label="Task to compare"
              tasks={tasks}
              value={tested}
              disabled={running}
              onChoose={setChosen}
            />
            <label className="option-check">
              <input
                type="checkbox"
                checked={retention}
                disabled={running}
                onChange={(event) => setRetention(event.target.checked)}
              />
              Also the tasks it knew before: has it forgotten any?
            </label>
            <div className="actions">
              {running ? (
                <button type="button" className="button-stop" onClick={stopComparing}>
                  Stop comparing
                </button>
              ) : (
                <button
                  type="button"
                  className="button-primary"
                  disabled={busy || !tested}
                  onClick={() => void compare([tested, ...(retention ? others : [])], adapter)}
                >
                  Run {TRIALS} trials each
                </button>
              )}
            </div>
          </div>
        </div>
      )}
      {failure && <FailureNotice failure={failure} />}
      {comparisons.map((comparison) => (
        <Row key={comparison.task} comparison={comparison} />
      ))}
    </section>
  );
}
