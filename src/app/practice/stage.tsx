import type { PolicyInfo } from '../../workers/boundary/contract.ts';
import type { HoldReason } from '../../workers/boundary/contract-practice.ts';
import { FailureNotice } from '../status/failure-notice.tsx';
import { DragHint } from './drag-hint.tsx';
import { PolicyEyes } from './policy-eyes.tsx';
import { stopPractice, whyNotOnTable } from './practice-run.ts';
import { chooseAgain, chooseTable, disturbTable, randomSeed } from './practice-session.ts';
import { usePracticeStore, type Outcome, type PracticeRun } from './practice-store.ts';
import { seconds } from './seconds.ts';
import { RobotChoice } from './robot-choice.tsx';
import { TablePicture } from './table-picture.tsx';

const HELD: Readonly<Record<HoldReason, string>> = {
  'no-action': '. Holding: the policy has not answered',
  late: '. Holding: this device fell behind',
};

function outcomeText(
  run: PracticeRun,
  outcome: Outcome,
  held: HoldReason | null,
): { text: string; tone: 'calm' | 'good' | 'bad' } {
  if (run.kind === 'replaying') return { text: 'Replaying', tone: 'calm' };
  if (run.kind === 'trials') return { text: `Trial ${run.done + 1} of ${run.total}`, tone: 'calm' };
  if (outcome.kind === 'success') return { text: `Done in ${seconds(outcome.steps)}.`, tone: 'good' };
  if (run.kind === 'running')
    return { text: `Working, ${seconds(run.steps)}${held ? HELD[held] : ''}`, tone: 'calm' };
  if (outcome.kind === 'gave-up')
    return { text: `Failed: not finished in ${seconds(outcome.steps)}`, tone: 'bad' };
  if (outcome.kind === 'hidden')
    return { text: 'Stopped: this tab was in the background. The arm holds where it was.', tone: 'bad' };
  if (outcome.kind === 'stopped') return { text: 'Stopped.', tone: 'calm' };
  return { text: 'Ready.', tone: 'calm' };
}

/** The table, what became of the last run, and what changes the layout. */
export function Stage({ info }: { info: PolicyInfo | null }) {
  const status = usePracticeStore((state) => state.status);
  const table = usePracticeStore((state) => state.table);
  const run = usePracticeStore((state) => state.run);
  const outcome = usePracticeStore((state) => state.outcome);
  const busy = run.kind === 'trials' || status.kind !== 'open';
  const held = usePracticeStore((state) => state.held);
  const { text, tone } = outcomeText(run, outcome, held);
  const tasks = status.kind === 'open' ? status.tasks : [];
  // What this policy sees and does is not here then; why not is said beside its instruction.
  const fits = info !== null && whyNotOnTable(info) === null;
  return (
    <section className="stage" aria-label="Practice table">
      <div className="stage-picture">
        {status.kind === 'failed' ? (
          <FailureNotice failure={status.failure} title="The practice table could not be opened">
            <button type="button" onClick={() => location.reload()}>
              Reload the page
            </button>
          </FailureNotice>
        ) : (
          <TablePicture />
        )}
        {status.kind === 'open' && run.kind !== 'trials' && <DragHint />}
        {status.kind === 'opening' && (
          <p className="stage-note" aria-busy="true">
            Opening the practice table…
          </p>
        )}
        {status.kind === 'open' && fits && (
          <p className={`stage-note stage-${tone}`} role="status">
            {text}
          </p>
        )}
        {run.kind === 'running' && (
          <p className="stage-legend">
            <span>next actions, gripper open</span> <span className="legend-closed">closed</span>
          </p>
        )}
        {fits && <PolicyEyes info={info} />}
      </div>
      <div className="actions stage-tools">
        <RobotChoice disabled={busy} />
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
          Nudge an object
        </button>
      </div>
    </section>
  );
}
