import { useEffect, useState } from 'react';
import type { StoredPackage } from '../../workers/contract.ts';
import { formatBytes } from '../format.ts';
import { PackagePicker } from '../policy/package-picker.tsx';
import { openPolicy, policyWorker } from '../policy/policy-session.ts';
import { usePolicyStore } from '../policy/policy-store.ts';
import { FailureNotice } from '../status/failure-notice.tsx';
import { toFailure, type Failure } from '../status/failure.ts';

function Model({
  model,
  loaded,
  onChange,
}: {
  model: StoredPackage;
  loaded: boolean;
  onChange: (failure: Failure | null) => void;
}) {
  const [asked, setAsked] = useState(false);
  const [check, setCheck] = useState('');
  const act = async (call: () => Promise<void>): Promise<void> => {
    try {
      await call();
      onChange(null);
    } catch (error) {
      onChange(toFailure(error));
    }
  };
  return (
    <li className="stored-row">
      <div>
        <strong>{model.name}</strong> {loaded && <span className="tag">in use</span>}
        <p className="aside model-facts">
          {formatBytes(model.byteLength)}
          {!model.complete && ', not all of it is here'}; manifest{' '}
          <code title={model.hash}>{model.hash.slice(0, 12)}</code>
          {model.url && <>; from {model.url}</>}
        </p>
        {check && (
          <p className="aside" role="status">
            {check}
          </p>
        )}
      </div>
      <div className="actions">
        {model.url && !loaded && (
          <button type="button" onClick={() => void openPolicy(model.url!)}>
            Use it
          </button>
        )}
        <button
          type="button"
          onClick={() =>
            void act(async () => {
              setCheck('Checking…');
              const damaged = await policyWorker().checkStored(model.key, (done, total) =>
                setCheck(`Checking, ${done} of ${total} files`),
              );
              setCheck(
                damaged.length === 0
                  ? 'Every file is as its manifest says.'
                  : `Damaged or missing: ${damaged.join(', ')}. Loading it fetches them again.`,
              );
            })
          }
        >
          Check
        </button>
        {asked ? (
          <>
            <button
              type="button"
              className="button-stop"
              onClick={() => void act(() => policyWorker().removeStored(model.key))}
            >
              Delete for good
            </button>
            <button type="button" onClick={() => setAsked(false)}>
              Keep
            </button>
          </>
        ) : (
          <button type="button" disabled={loaded} onClick={() => setAsked(true)}>
            Delete
          </button>
        )}
      </div>
    </li>
  );
}

/** Policy packages on this device: where from, how large, whole or not. */
export function ModelsSection() {
  const status = usePolicyStore((state) => state.status);
  const [models, setModels] = useState<readonly StoredPackage[]>([]);
  const [room, setRoom] = useState<{ usage: number; quota: number } | null>(null);
  const [failure, setFailure] = useState<Failure | null>(null);
  const refresh = async (): Promise<void> => {
    try {
      setModels(await policyWorker().storedPackages());
      const { usage, quota } = await navigator.storage.estimate();
      if (usage !== undefined && quota !== undefined) setRoom({ usage, quota });
    } catch (error) {
      setFailure(toFailure(error));
    }
  };
  useEffect(() => void refresh(), [status.kind]);
  const hash = status.kind === 'ready' ? status.info.package.hash : null;
  return (
    <section className="share-part" aria-labelledby="models-title">
      <h3 id="models-title">Policies on this device</h3>
      {room && (
        <p className="section-hint">
          {formatBytes(room.usage)} of {formatBytes(room.quota)} that the browser gives this page are used, by
          policies, runs and recordings.
        </p>
      )}
      <ul className="stored">
        {models.map((model) => (
          <Model
            key={model.key}
            model={model}
            loaded={model.hash === hash}
            onChange={(next) => {
              setFailure(next);
              void refresh();
            }}
          />
        ))}
      </ul>
      {failure && <FailureNotice failure={failure} />}
      <PackagePicker />
    </section>
  );
}
