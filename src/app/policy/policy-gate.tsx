import { FailureNotice } from '../status/failure-notice.tsx';
import { needsRestart, type Failure } from '../status/failure.ts';
import { CapabilityView } from './capability-view.tsx';
import { LoadProgressView } from './load-progress.tsx';
import { PackageHeading } from './package-heading.tsx';
import { PackagePicker } from './package-picker.tsx';
import { cancelLoad, loadPolicy, openPolicy, restartWorker } from './policy-session.ts';
import { usePolicyStore, type PolicyStatus } from './policy-store.ts';
import { formatBytes } from '../format.ts';
import './policy.css';

/** What the button after a failure does, by what failed. */
function retryLabel(failure: Failure, canLoad: boolean): string {
  if (needsRestart(failure.code)) return 'Restart the worker';
  if (!canLoad) return 'Check again';
  if (failure.code === 'hash-mismatch') return 'Fetch the damaged part again';
  if (failure.code === 'cancelled' || failure.code === 'download-failed') return 'Resume download';
  return 'Try again';
}

function FailedLoad({ status }: { status: Extract<PolicyStatus, { kind: 'failed' }> }) {
  const url = usePolicyStore((state) => state.url);
  const { failure, report } = status;
  const retry = (): void => {
    if (needsRestart(failure.code)) void restartWorker();
    else if (report) void loadPolicy();
    else void openPolicy(url);
  };
  return (
    <FailureNotice failure={failure}>
      <button type="button" className="button-primary" onClick={retry}>
        {retryLabel(failure, report !== null)}
      </button>
    </FailureNotice>
  );
}

function LoadStep({ status }: { status: PolicyStatus }) {
  switch (status.kind) {
    case 'inspecting':
      return (
        <p className="waiting" aria-busy="true">
          Reading the package description and checking this machine…
        </p>
      );
    case 'inspected': {
      const { byteLength, stored } = status.report.package;
      const what = stored ? 'Load policy' : `Load policy (${formatBytes(byteLength)})`;
      return (
        <div className="actions">
          <button
            type="button"
            className="button-primary button-large"
            disabled={status.report.verdict === 'no'}
            onClick={() => void loadPolicy()}
          >
            {what}
          </button>
          <p className="aside">
            {stored ? 'It is stored on this device.' : 'Kept on this device afterwards: fetched only once.'}
          </p>
        </div>
      );
    }
    case 'loading':
      return (
        <LoadProgressView
          progress={status.progress}
          cancelling={status.cancelling}
          onCancel={() => void cancelLoad()}
        />
      );
    case 'failed':
      return <FailedLoad status={status} />;
    default:
      return null;
  }
}

/** Everything before a policy is ready: what it is, whether this machine can run it, and loading it. */
export function PolicyGate() {
  const status = usePolicyStore((state) => state.status);
  const report = status.kind === 'inspecting' ? null : status.report;
  return (
    <div className="gate">
      <section className="gate-policy" aria-label="Policy">
        {report && <PackageHeading summary={report.package} />}
        <LoadStep status={status} />
        <PackagePicker />
      </section>
      {report && <CapabilityView report={report} />}
    </div>
  );
}
