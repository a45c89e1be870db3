import { useId, useState } from 'react';
import type { PolicyInfo } from '../../workers/boundary/contract.ts';
import type { PracticeTask } from '../../workers/boundary/contract-practice.ts';
import { whyNotOnTable } from '../practice/practice-run.ts';
import { TaskChoice } from '../practice/task-choice.tsx';
import { TablePicture } from '../practice/table-picture.tsx';
import { FailureNotice } from '../status/failure-notice.tsx';
import { usePracticeStore } from '../practice/practice-store.ts';
import { recordExpert } from './expert-session.ts';

/** What another robot learns first: where things are, and to pick them up. */
const FIRST_OF_ANOTHER: readonly string[] = ['reach', 'lift'];

function TaskChecks({
  tasks,
  chosen,
  onChoose,
}: {
  tasks: readonly PracticeTask[];
  chosen: readonly string[];
  onChoose: (tasks: readonly string[]) => void;
}) {
  return (
    <fieldset className="option">
      <legend>Tasks to show</legend>
      {tasks.map(({ name, about }) => (
        <label key={name} className="option-check">
          <input
            type="checkbox"
            checked={chosen.includes(name)}
            onChange={(event) =>
              onChoose(
                tasks
                  .map((task) => task.name)
                  .filter((task) => (task === name ? event.target.checked : chosen.includes(task))),
              )
            }
          />
          {name}: {about}
        </label>
      ))}
    </fieldset>
  );
}

/** Lets the practice table's scripted expert demonstrate a task: something to teach without a robot. */
export function ExpertPicker({ policy, disabled }: { policy: PolicyInfo; disabled: boolean }) {
  const status = usePracticeStore((state) => state.status);
  const idle = usePracticeStore((state) => state.run.kind === 'idle');
  const tasks = status.kind === 'open' ? status.tasks : [];
  const [picked, setPicked] = useState<readonly string[] | null>(null);
  const [count, setCount] = useState<number | null>(null);
  const [rehearse, setRehearse] = useState(true);
  const robot = usePracticeStore((state) => state.table?.robot ?? 'gripper');
  const own = robot === 'gripper';
  const robotName = usePracticeStore((state) => state.table?.profile.name ?? '');
  const field = useId();
  const unfit = whyNotOnTable(policy);
  // Another robot is one to be taught, whatever policy is in use.
  if (unfit && own) return <p className="aside">{unfit} The expert shows tasks of the table only.</p>;
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
  const known = (picked ?? []).filter((task) => tasks.some(({ name }) => name === task));
  const first = own ? [(tasks.find(({ heldOut }) => heldOut) ?? tasks[0]!).name] : FIRST_OF_ANOTHER;
  const chosen = picked && (known.length > 0 || !own) ? known : first;
  const episodes = count ?? (own ? 20 : 50);
  return (
    <form
      className="expert"
      onSubmit={(event) => {
        event.preventDefault();
        void recordExpert({ tasks: chosen, robot, episodes, rehearse });
      }}
    >
      <p>
        {own
          ? 'The practice table’s scripted expert shows a task that the policy does not know, as often as you like.'
          : `The scripted expert shows what the ${robotName} should learn. Choose all its tasks at once: they are learned together, in one lesson.`}
      </p>
      <div className="options">
        {own ? (
          <TaskChoice
            label="Task to show"
            tasks={tasks}
            value={chosen[0]!}
            mark="trained already"
            onChoose={(task) => setPicked([task])}
          />
        ) : (
          <TaskChecks tasks={tasks} chosen={chosen} onChoose={setPicked} />
        )}
        <div className="option">
          <label htmlFor={`${field}-count`}>Demonstrations</label>
          <input
            id={`${field}-count`}
            type="number"
            min={1}
            max={200}
            required
            value={Number.isNaN(episodes) ? '' : episodes}
            onChange={(event) => setCount(event.target.valueAsNumber)}
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
        <button type="submit" disabled={disabled || !idle || chosen.length === 0}>
          Record demonstrations
        </button>
      </div>
    </form>
  );
}
