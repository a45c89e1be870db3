import type {
  DemonstrationsInfo,
  DimensionStatistics,
} from '../../workers/boundary/contract-demonstrations.ts';
import { formatValue } from '../format.ts';

function Statistics({ caption, rows }: { caption: string; rows: readonly DimensionStatistics[] }) {
  const columns = ['mean', 'std', 'min', 'max', 'q01', 'q99'] as const;
  return (
    <div className="table-scroll" tabIndex={0} role="region" aria-label={caption}>
      <table>
        <caption>{caption}</caption>
        <thead>
          <tr>
            <th scope="col">dimension</th>
            {columns.map((column) => (
              <th key={column} scope="col">
                {column}
              </th>
            ))}
            <th scope="col">normalised</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.name}>
              <th scope="row">{row.name}</th>
              {columns.map((column) => (
                <td key={column}>{formatValue(row[column])}</td>
              ))}
              <td>{row.normalised ? 'yes' : 'no'}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** What normalises actions and state, as upstream computes it. */
export function StatisticsView({ info }: { info: DemonstrationsInfo }) {
  return (
    <details>
      <summary>Statistics</summary>
      <Statistics caption="Actions, as recorded" rows={info.action} />
      {info.state && <Statistics caption="State, as recorded" rows={info.state} />}
    </details>
  );
}
