import { formatValue } from '../format.ts';

interface Props {
  names: { name: string }[];
  units: string[];
  /** [chunk][actions]. */
  rows: number[][];
  controlHz: number;
}

/** The chunk in numbers: a row per action, a column per dimension. */
export function ChunkTable({ names, units, rows, controlHz }: Props) {
  return (
    // Focusable, so that the keyboard can scroll it sideways.
    <div className="table-scroll" role="region" aria-label="Predicted chunk in numbers" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">
              step <span className="unit">s</span>
            </th>
            {names.map(({ name }, column) => (
              <th key={name} scope="col">
                {name} {units[column] && <span className="unit">{units[column]}</span>}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, step) => (
            // oxlint-disable-next-line react/no-array-index-key -- a step is known by its place in the chunk
            <tr key={step}>
              <th scope="row">
                {step + 1} <span className="unit">{((step + 1) / controlHz).toFixed(2)}</span>
              </th>
              {row.map((value, column) => (
                <td key={names[column]?.name ?? column} data-value={value}>
                  {formatValue(value)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
