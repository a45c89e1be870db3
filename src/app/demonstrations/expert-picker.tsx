import { useId, useState } from 'react';
import type { PolicyInfo } from '../../workers/contract.ts';
import { whyNotOnTable } from '../practice/practice-run.ts';
import { TaskChoice } from '../practice/task-choice.tsx';
import { TablePicture } from '../practice/table-picture.tsx';
import { FailureNotice } from '../status/failure-notice.tsx';
import { usePracticeStore } from '../practice/practice-store.ts';
import { recordExpert } from './expert-session.ts';

/** Lets the practice table's scripted expert demonstrate a task: something to teach without a robot. */
export function ExpertPicker({ policy, disabled }: { policy: PolicyInfo; disabled: boolean }) {
  const status = usePracticeStore((state) => state.status);
  const idle = usePracticeStore((state) => state.run.kind === 'idle');
  const tasks = status.kind === 'open' ? status.tasks : [];
  const [task, setTask] = useState<string | null>(null);
  const [episodes, setEpisodes] = useState(20);
  const [rehearse, setRehearse] = useState(true);
  const own = usePracticeStore((state) => (state.table?.robot ?? 'gripper') === 'gripper');
  const field = useId();
  const unfit = whyNotOnTable(policy);
  if (unfit) return <p className="aside">{unfit} The expert shows tasks of the table only.</p>;
  if (status.kind === 'failed')
    return <FailureNotice failure={status.failure} title="The practice table could not be opened" />;
  // Whoever came by the camera has not opened it yet: it opens by being shown.
  if (tasks.length === 0) {
    return (
      <div className="stage-picture expert-picture">
        <TablePicture />
        <p className="stage-note" aria-busy="true">
          Opening the practice table…
        </p>
      </div>
    );
  }
  const known = tasks.some(({ name }) => name === task);
  const chosen = known ? task! : (tasks.find(({ heldOut }) => heldOut) ?? tasks[0]!).name;
  return (
    <form
      className="expert"
      onSubmit={(event) => {
        event.preventDefault();
        void recordExpert({ task: chosen, episodes, rehearse: rehearse && own });
      }}
    >
      <p>
        The practice table’s scripted expert shows a task that the policy does not know, as often as you like.
      </p>
      <div className="options">
        <TaskChoice
          label="Task to show"
          tasks={tasks}
          value={chosen}
          mark="trained already"
          onChoose={setTask}
        />
        <div className="option">
          <label htmlFor={`${field}-count`}>Demonstrations</label>
          <input
            id={`${field}-count`}
            type="number"
            min={1}
            max={200}
            required
            value={Number.isNaN(episodes) ? '' : episodes}
            onChange={(event) => setEpisodes(event.target.valueAsNumber)}
          />
        </div>
      </div>
      {own && (
        <label className="option-check">
          <input type="checkbox" checked={rehearse} onChange={(event) => setRehearse(event.target.checked)} />
          Include known tasks so they aren’t forgotten
        </label>
      )}
      <div className="actions">
        <button type="submit" disabled={disabled || !idle}>
          Record demonstrations
        </button>
      </div>
    </form>
  );
}
