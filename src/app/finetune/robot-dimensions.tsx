import type { ReactNode } from 'react';
import type {
  DemonstrationsInfo,
  DimensionStatistics,
  GuessedDimension,
  NamedDimension,
  RobotChoice,
} from '../../workers/boundary/contract-demonstrations.ts';
import { formatValue } from '../format.ts';
import { CommittedInput } from './committed-input.tsx';
import { changeRobot } from './robot-session.ts';

/** Those that robots are recorded in; the likely ones come first. */
const UNITS = ['deg', 'rad', 'm', 'mm', '−100…100', 'open–close', 'scaled', ''];

/** More than these fill the screen; whoever has to check one opens them. */
const AT_ONCE = 8;

function replaced<T>(list: readonly T[], at: number, value: T): T[] {
  return list.map((old, i) => (i === at ? value : old));
}

interface RowProps {
  value: NamedDimension;
  guess: GuessedDimension | undefined;
  range: DimensionStatistics | undefined;
  as?: 'last' | 'sum' | undefined;
  onChange: (value: NamedDimension) => void;
  onAs?: (as: 'last' | 'sum') => void;
}

function Row({ value, guess, range, as, onChange, onAs }: RowProps) {
  const choices = [...new Set([value.unit, ...(guess?.choices ?? []), ...UNITS])];
  // What a person chose is not in doubt.
  const unsure = guess?.certain === false && value.unit === guess.unit;
  const unclear = guess?.kind === 'unclear';
  return (
    <tr>
      <td>
        <CommittedInput
          label={`Name of ${value.name}`}
          value={value.name}
          parse={(text) => text.trim() || null}
          onCommit={(name) => onChange({ ...value, name })}
        />
      </td>
      <td data-unsure={unsure}>
        <select
          aria-label={`Unit of ${value.name}`}
          value={value.unit}
          onChange={(event) => onChange({ ...value, unit: event.target.value })}
        >
          {choices.map((unit) => (
            <option key={unit} value={unit}>
              {unit || 'other'}
            </option>
          ))}
        </select>
        {unsure && <span className="robot-unsure">please check</span>}
      </td>
      {onAs && (
        <td data-unsure={unclear}>
          <select
            aria-label={`Kind of ${value.name}`}
            value={as}
            onChange={(event) => onAs(event.target.value as 'last' | 'sum')}
          >
            <option value="last">absolute</option>
            <option value="sum">delta</option>
          </select>
          {unclear && <span className="robot-unsure">please check</span>}
        </td>
      )}
      <td className="number">{range && `${formatValue(range.min)} … ${formatValue(range.max)}`}</td>
    </tr>
  );
}

function Dimensions({ columns, children }: { columns: readonly string[]; children: ReactNode }) {
  return (
    <div className="table-scroll">
      <table className="robot-dimensions">
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column} scope="col">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

/** Names, units and meaning of every value; marked where the numbers fit more than one. */
export function RobotDimensions({ info, robot }: { info: DemonstrationsInfo; robot: RobotChoice }) {
  const { profile, thinnedAs } = robot;
  const { actions, state } = profile;
  const unsure = info.robot.actions.filter(
    ({ certain }, i) => !certain && actions[i]?.unit === info.robot.actions[i]!.unit,
  );
  return (
    <>
      {unsure.length > 0 && (
        <p className="section-hint">
          The numbers of {unsure.length === 1 ? 'one value' : `${unsure.length} values`} fit more than one
          unit. Training does not depend on it; what you read off the plots does.
        </p>
      )}
      <details open={actions.length <= AT_ONCE}>
        <summary>The actions: {actions.length} values</summary>
        <Dimensions columns={['name', 'unit', 'kind', 'range']}>
          {actions.map((value, i) => (
            <Row
              key={info.action[i]?.name ?? i}
              value={value}
              guess={info.robot.actions[i]}
              range={info.action[i]}
              as={thinnedAs[i]}
              onChange={(next) => changeRobot({}, { actions: replaced(actions, i, next) })}
              onAs={(as) => changeRobot({ thinnedAs: replaced(thinnedAs, i, as) })}
            />
          ))}
        </Dimensions>
      </details>
      {state && (
        <details>
          <summary>The state: {state.length} values</summary>
          <Dimensions columns={['name', 'unit', 'range']}>
            {state.map((value, i) => (
              <Row
                key={info.state?.[i]?.name ?? i}
                value={value}
                guess={info.robot.state?.[i]}
                range={info.state?.[i]}
                onChange={(next) => changeRobot({}, { state: replaced(state, i, next) })}
              />
            ))}
          </Dimensions>
        </details>
      )}
    </>
  );
}
