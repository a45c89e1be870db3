import type { TableRobotName } from '../../workers/contract-practice.ts';
import { toFailure } from '../status/failure.ts';
import { stopPractice } from './practice-run.ts';
import { layTable, randomSeed } from './practice-session.ts';
import { usePracticeStore } from './practice-store.ts';

const ROBOTS: Readonly<Record<TableRobotName, { readonly label: string; readonly firstTask: string }>> = {
  gripper: { label: 'its own gripper', firstTask: 'plate' },
  so101: { label: 'SO-101', firstTask: 'lift' },
};

/** Puts another robot at the table. */
async function chooseRobot(robot: TableRobotName): Promise<void> {
  stopPractice();
  try {
    await layTable(ROBOTS[robot].firstTask, randomSeed(), true, robot);
  } catch (error) {
    usePracticeStore.setState({ failure: toFailure(error) });
  }
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
