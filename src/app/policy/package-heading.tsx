import type { PackageSummary } from '../../workers/boundary/contract.ts';
import { Facts } from '../controls/facts.tsx';
import { formatBytes, formatCount } from '../format.ts';

/** Name, description and size of a package. */
export function PackageHeading({ summary }: { summary: PackageSummary }) {
  return (
    <div className="package">
      <h2>{summary.name}</h2>
      <p className="package-about">{summary.description}</p>
      <Facts
        facts={[
          ['Size', formatBytes(summary.byteLength)],
          ['Parameters', formatCount(summary.parameters)],
          [
            'Manifest SHA-256',
            <code key="hash" title={summary.hash}>
              {summary.hash.slice(0, 12)}
            </code>,
          ],
        ]}
      />
    </div>
  );
}
