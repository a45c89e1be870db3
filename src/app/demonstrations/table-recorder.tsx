import { useEffect, useRef, useState, type PointerEvent } from 'react';
import type { PolicyInfo } from '../../workers/boundary/contract.ts';
import { useInstructionStore } from '../instruction/instruction-store.ts';
import { chooseTable, layTable, randomSeed } from '../practice/practice-session.ts';
import { useFocusKept } from '../controls/use-focus-kept.ts';
import { usePracticeStore } from '../practice/practice-store.ts';
import { whyNotOnTable } from '../practice/practice-run.ts';
import { TaskChoice } from '../practice/task-choice.tsx';
import { PolicyEyes } from '../practice/policy-eyes.tsx';
import { TablePicture } from '../practice/table-picture.tsx';
import { FailureNotice } from '../status/failure-notice.tsx';
import { toFailure } from '../status/failure.ts';
import { openRecordings } from './recorded-set.ts';
import { forgetLast, useRecorderStore } from './recorder-store.ts';
import {
  discardEpisode,
  finishEpisode,
  recordingKey,
  startTableRecording,
  stopTableRecording,
  tableSteering,
} from './table-session.ts';
import '../practice/practice.css';

const PAD: readonly { label: string; name: string; axis: number; direction: number; area: string }[] = [
  { label: '↑', name: 'Away', axis: 0, direction: -1, area: 'up' },
  { label: '←', name: 'Left', axis: 1, direction: -1, area: 'left' },
  { label: '→', name: 'Right', axis: 1, direction: 1, area: 'right' },
  { label: '↓', name: 'Towards you', axis: 0, direction: 1, area: 'down' },
  { label: 'Raise', name: 'Raise', axis: 2, direction: 1, area: 'raise' },
  { label: 'Lower', name: 'Lower', axis: 2, direction: -1, area: 'lower' },
];

const hold = (axis: number, direction: number, held: boolean) => () =>
  tableSteering()?.press(axis, direction, held);

/** Buttons that are held: for fingers, and for those without a keyboard. */
function SteerPad() {
  return (
    <div className="steer-pad" role="group" aria-label="Steer the gripper">
      {PAD.map(({ label, name, axis, direction, area }) => (
        <button
          key={name}
          type="button"
          style={{ gridArea: area }}
          aria-label={name}
          onPointerDown={(event: PointerEvent) => {
            event.currentTarget.setPointerCapture(event.pointerId);
            hold(axis, direction, true)();
          }}
          onPointerUp={hold(axis, direction, false)}
          onPointerCancel={hold(axis, direction, false)}
          onKeyDown={(event) => event.code === 'Enter' && hold(axis, direction, true)()}
          onKeyUp={hold(axis, direction, false)}
          onBlur={hold(axis, direction, false)}
        >
          {label}
        </button>
      ))}
      <button type="button" style={{ gridArea: 'grip' }} onClick={() => tableSteering()?.toggleGripper()}>
        Open or close
      </button>
    </div>
  );
}

function Keys() {
  return (
    <p className="aside steer-keys">
      <span className="by-keys">
        <kbd>W</kbd> <kbd>A</kbd> <kbd>S</kbd> <kbd>D</kbd> or arrows move as the picture shows it,{' '}
        <kbd>R</kbd> raises, <kbd>F</kbd> lowers, <kbd>Q</kbd> <kbd>E</kbd> turn, <kbd>Space</kbd> opens and
        closes, <kbd>Shift</kbd> is slow. A gamepad works too, and so does dragging the gripper in the
        picture.
      </span>
      <span className="by-touch">
        Hold the buttons to steer, or drag the gripper in the picture. A gamepad works too.
      </span>
    </p>
  );
}

/** Something that it cannot do yet. */
const FIRST_TASK = 'can';
let firstChosen = false;

/** Once a visit a task is chosen that is worth showing, unless the visitor has chosen already. @returns whether that is settled */
function useFirstTask(): boolean {
  const [settled, setSettled] = useState(firstChosen);
  const laid = usePracticeStore(({ status, table }) => status.kind === 'open' && table !== null);
  useEffect(() => {
    if (settled || !laid) return;
    firstChosen = true;
    void chooseFirstTask().finally(() => setSettled(true));
  }, [settled, laid]);
  return settled;
}

async function chooseFirstTask(): Promise<void> {
  const { status, table, addressed } = usePracticeStore.getState();
  const { text } = useInstructionStore.getState();
  const known =
    status.kind === 'open' && status.tasks.some(({ name, heldOut }) => name === table?.task && !heldOut);
  const typed = text !== table?.instruction;
  if (!known || typed || addressed || openRecordings() !== null) return;
  // Nobody asked for it: there is nothing to take back.
  await layTable(FIRST_TASK, randomSeed()).catch((error: unknown) =>
    usePracticeStore.setState({ failure: toFailure(error) }),
  );
}

/** Teaching by doing: the visitor drives the gripper and shows the task, episode after episode. */
export function TableRecorder({ policy }: { policy: PolicyInfo }) {
  const { status, last, failure } = useRecorderStore();
  const tableStatus = usePracticeStore((state) => state.status);
  const table = usePracticeStore((state) => state.table);
  const judged = usePracticeStore((state) => state.judged);
  const text = useInstructionStore((state) => state.text);
  const setText = useInstructionStore((state) => state.setText);
  useEffect(() => {
    forgetLast();
    return stopTableRecording;
  }, []);
  useEffect(() => {
    const keys = ({ key, target }: KeyboardEvent): void =>
      recordingKey(key, target instanceof HTMLInputElement);
    document.addEventListener('keydown', keys);
    return () => document.removeEventListener('keydown', keys);
  }, []);
  // The button that was pressed last may be gone: let the keyboard go on at the picture, whose keys are the gripper's, or where it began.
  const stage = useRef<HTMLDivElement>(null);
  const take = useRef<HTMLButtonElement>(null);
  useFocusKept(status.kind, (phase) =>
    phase === 'idle' ? take.current : stage.current?.querySelector<HTMLElement>('.table-picture'),
  );
  const atGripper = status.kind !== 'idle';
  useEffect(() => {
    // On a phone the button is far below the picture that is steered by.
    if (atGripper) stage.current?.scrollIntoView({ block: 'nearest' });
  }, [atGripper]);
  const settled = useFirstTask();
  const busy = status.kind !== 'idle' || table === null || !settled;
  const tasks = tableStatus.kind === 'open' ? tableStatus.tasks : [];
  const recording = status.kind === 'recording';
  const unfit = whyNotOnTable(policy);
  if (unfit) return <p className="aside">{unfit}</p>;
  return (
    <div className="recorder" data-recording={recording}>
      <div className="stage-picture" ref={stage}>
        {tableStatus.kind === 'failed' ? (
          <FailureNotice failure={tableStatus.failure} title="The practice table could not be opened" />
        ) : (
          <TablePicture />
        )}
        {tableStatus.kind === 'open' && <PolicyEyes info={policy} />}
        {tableStatus.kind === 'opening' && (
          <p className="stage-note" aria-busy="true">
            Opening the practice table…
          </p>
        )}
        {recording && (
          <p className={`stage-note ${status.achieved ? 'stage-good' : ''}`} role="status">
            {status.achieved
              ? 'Done: hold still'
              : status.steps === 0
                ? 'Your turn: recording starts when you move'
                : `Recording, ${(status.steps / 10).toFixed(1)} s`}
          </p>
        )}
      </div>
      <div className="recorder-side">
        <TaskChoice
          label="Task"
          tasks={tasks}
          value={table?.task ?? ''}
          disabled={busy}
          mark="trained already"
          onChoose={(task) => void chooseTable(task, randomSeed())}
        />
        <div className="option">
          <label htmlFor="record-instruction">Say what you’re showing</label>
          <input
            id="record-instruction"
            type="text"
            maxLength={300}
            value={text}
            disabled={busy}
            onChange={(event) => setText(event.target.value)}
          />
        </div>
        {table && !judged && text.trim() !== '' && (
          <p className="aside">The table can’t tell when this is finished: press Finish when it is.</p>
        )}
        <div className="actions">
          {status.kind === 'idle' ? (
            <button
              ref={take}
              type="button"
              className="button-primary button-large"
              disabled={busy || !text.trim()}
              onClick={() => void startTableRecording()}
            >
              Start recording
            </button>
          ) : (
            <>
              <button
                type="button"
                disabled={!recording || status.steps === 0}
                onClick={() => void finishEpisode()}
              >
                Finish
              </button>
              <button type="button" disabled={!recording} onClick={() => void discardEpisode()}>
                Start over <kbd>⌫</kbd>
              </button>
              <button type="button" className="button-stop" onClick={stopTableRecording}>
                Stop recording <kbd>Esc</kbd>
              </button>
            </>
          )}
        </div>
        {last && (
          <p className="aside" aria-live="polite">
            {last}
          </p>
        )}
        {status.kind !== 'idle' && <SteerPad />}
        <Keys />
        {failure && <FailureNotice failure={failure} />}
      </div>
    </div>
  );
}
