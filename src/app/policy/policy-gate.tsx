import { FailureNotice } from '../status/failure-notice.tsx';
import { needsRestart, type Failure } from '../status/failure.ts';
import { CapabilityView } from './capability-view.tsx';
import { LoadProgressView } from './load-progress.tsx';
import { PackageHeading } from './package-heading.tsx';
import { PackagePicker } from './package-picker.tsx';
import { cancelLoad, keepLoaded, loadPolicy, openPolicy, restartWorker, runOn } from './policy-session.ts';
import { RunOnChoice } from './run-on-choice.tsx';
import { usePolicyStore, type PolicyStatus } from './policy-store.ts';
import { formatBytes } from '../format.ts';
import { defaultPolicyUrl } from '../url-state.ts';
import './policy.css';

/** What the button after a failure does, by what failed. */
function retryLabel(failure: Failure, canLoad: boolean): string {
  if (needsRestart(failure.code)) return 'Restart the worker';
  if (!canLoad) return 'Check again';
  if (failure.code === 'hash-mismatch') return 'Fetch the damaged part again';
  if (failure.code === 'cancelled' || failure.code === 'download-failed') return 'Resume download';
  return 'Try again';
}

/** True where the fault lies with the package itself, not with this machine or its worker. */
function needsAnotherPolicy({ code }: Failure): boolean {
  return code !== 'no-webgpu' && !needsRestart(code);
}

function FailedLoad({ status }: { status: Extract<PolicyStatus, { kind: 'failed' }> }) {
  const url = usePolicyStore((state) => state.url);
  const { failure, report } = status;
  const retry = (): void => {
    if (needsRestart(failure.code)) void restartWorker();
    else if (report) void loadPolicy();
    else void openPolicy(url);
  };
  // Where the GPU is what failed, the CPU is a way out; where there is none, the only one.
  const noGpu = failure.code === 'no-webgpu';
  const offerCpu = noGpu || (needsRestart(failure.code) && report?.backend.backend === 'webgpu');
  return (
    <FailureNotice
      failure={failure}
      title={!report && failure.code === 'download-failed' ? 'No policy could be read there' : undefined}
    >
      <button type="button" className={noGpu ? undefined : 'button-primary'} onClick={retry}>
        {retryLabel(failure, report !== null)}
      </button>
      {offerCpu && (
        <button
          type="button"
          className={noGpu ? 'button-primary' : undefined}
          onClick={() => void runOn('wasm')}
        >
          Run on the CPU
        </button>
      )}
    </FailureNotice>
  );
}

/** Asks before anything is fetched from a host that a link names. */
function AskFirst({ host }: { host: string }) {
  const url = usePolicyStore((state) => state.url);
  return (
    <>
      <p>
        This link asks for a policy on <strong>{host}</strong>. Nothing has been fetched from there yet; that
        host will see your address when you go on.
      </p>
      <div className="actions">
        <button type="button" className="button-primary" onClick={() => void openPolicy(url)}>
          Look at it
        </button>
        <button type="button" onClick={() => void openPolicy(defaultPolicyUrl(), true)}>
          Use the policy of this page
        </button>
      </div>
    </>
  );
}

function LoadStep({ status }: { status: PolicyStatus }) {
  switch (status.kind) {
    case 'asking':
      return <AskFirst host={status.host} />;
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

/** What a newcomer can expect after loading. */
function Outlook() {
  return (
    <ol className="outlook" aria-label="How it goes on">
      <li>Load the policy. It stays on this device.</li>
      <li>Show it a camera, a video or a still image.</li>
      <li>Say what the robot should do, and see its next actions.</li>
    </ol>
  );
}

/** The way back to what was loaded before, while the worker has it. */
function KeepLoaded() {
  const before = usePolicyStore((state) => state.before);
  const held = usePolicyStore(({ lease }) => lease.kind !== 'idle' && lease.kind !== 'disposing');
  if (!before || !held) return null;
  return (
    <div className="actions">
      <button type="button" onClick={keepLoaded}>
        Keep using {before.status.info.package.name}
      </button>
    </div>
  );
}

/** Everything before a policy is ready: what it is, whether this machine can run it, and loading it. */
export function PolicyGate() {
  const status = usePolicyStore((state) => state.status);
  const report = status.kind === 'inspecting' || status.kind === 'asking' ? null : status.report;
  // Then another address is what helps, not another backend.
  const unreadable = status.kind === 'failed' && !report && needsAnotherPolicy(status.failure);
  return (
    <div className="gate">
      <section className="gate-policy" aria-label="Policy">
        {report && <PackageHeading summary={report.package} />}
        <LoadStep status={status} />
        <KeepLoaded />
        {status.kind !== 'failed' && <Outlook />}
        <PackagePicker key={status.kind} open={unreadable} />
      </section>
      <div className="gate-machine">
        {report && <CapabilityView report={report} />}
        {!unreadable && <RunOnChoice />}
      </div>
    </div>
  );
}
