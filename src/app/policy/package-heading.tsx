import type { PackageSummary } from '../../workers/contract.ts';
import { formatBytes, formatCount } from '../format.ts';

/** Name, description and size of a package. */
export function PackageHeading({ summary }: { summary: PackageSummary }) {
  return (
    <div className="package">
      <h2>{summary.name}</h2>
      <p className="package-about">{summary.description}</p>
      <dl className="facts">
        <div>
          <dt>Size</dt>
          <dd>{formatBytes(summary.byteLength)}</dd>
        </div>
        <div>
          <dt>Parameters</dt>
          <dd>{formatCount(summary.parameters)}</dd>
        </div>
        <div>
          <dt>Manifest SHA-256</dt>
          <dd>
            <code title={summary.hash}>{summary.hash.slice(0, 12)}</code>
          </dd>
        </div>
      </dl>
    </div>
  );
}
