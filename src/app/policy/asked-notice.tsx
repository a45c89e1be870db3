import { FailureNotice } from '../status/failure-notice.tsx';
import { forgetRefusal } from './policy-session.ts';
import { usePolicyStore } from './policy-store.ts';

/** Another policy that was asked for while one is loaded: it is being read, or why it cannot be. The loaded one stays in use. */
export function AskedNotice() {
  const asked = usePolicyStore((state) => state.asked);
  const loaded = usePolicyStore(({ status }) => (status.kind === 'ready' ? status.info.package.name : null));
  if (asked.kind === 'none' || loaded === null) return null;
  if (asked.kind === 'reading') {
    return (
      <p className="waiting" aria-busy="true">
        Reading {asked.url}…
      </p>
    );
  }
  return (
    <FailureNotice
      failure={asked.failure}
      title={asked.failure.code === 'download-failed' ? `No policy could be read at ${asked.url}` : undefined}
    >
      <button type="button" onClick={forgetRefusal}>
        Keep using {loaded}
      </button>
    </FailureNotice>
  );
}
