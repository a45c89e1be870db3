import type { TableRobotName } from '../../workers/boundary/contract-practice.ts';
import { stopPractice } from './practice-run.ts';
import { changeTable, layTable, randomSeed } from './practice-session.ts';
import { usePracticeStore } from './practice-store.ts';

const ROBOTS: Readonly<Record<TableRobotName, { readonly label: string; readonly firstTask: string }>> = {
  gripper: { label: 'Gripper arm', firstTask: 'plate' },
  so101: { label: 'SO-101', firstTask: 'lift' },
};

/** Puts another robot at the table. */
async function chooseRobot(robot: TableRobotName): Promise<void> {
  stopPractice();
  const { label, firstTask } = ROBOTS[robot];
  await changeTable(`${label} put at the table.`, () => layTable(firstTask, randomSeed(), true, robot));
}

/** Who stands at the table. */
export function RobotChoice({ disabled }: { disabled: boolean }) {
  const robot = usePracticeStore((state) => state.table?.robot ?? 'gripper');
  return (
    <div className="stage-task">
      <label htmlFor="table-robot">Robot</label>
      <select
        id="table-robot"
        value={robot}
        disabled={disabled}
        onChange={(event) => void chooseRobot(event.target.value as TableRobotName)}
      >
        {Object.entries(ROBOTS).map(([name, { label }]) => (
          <option key={name} value={name}>
            {label}
          </option>
        ))}
      </select>
    </div>
  );
}
