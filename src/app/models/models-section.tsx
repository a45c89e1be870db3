import { useEffect } from 'react';
import type { StoredPackage } from '../../workers/boundary/contract.ts';
import { DeleteButton } from '../controls/delete-button.tsx';
import { formatBytes } from '../format.ts';
import { PackagePicker } from '../policy/package-picker.tsx';
import { openPolicy } from '../policy/policy-session.ts';
import { usePolicyInfo } from '../policy/policy-store.ts';
import { FailureNotice } from '../status/failure-notice.tsx';
import { chosenFiles } from '../finetune/dropped-files.ts';
import { KeptNowhere } from '../status/kept-nowhere.tsx';
import {
  addFolder,
  checkModel,
  refreshModels,
  removeModel,
  useModelsStore,
  type Kept,
} from './models-session.ts';

function Model({ model, loaded }: { model: StoredPackage; loaded: boolean }) {
  const check = useModelsStore((state) => state.checks[model.key]);
  return (
    <li className="stored-row">
      <div>
        <strong>{model.name}</strong> {loaded && <span className="tag">in use</span>}
        <p className="aside model-facts">
          {formatBytes(model.byteLength)}
          {!model.complete && ', partly downloaded'}; manifest{' '}
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
            Use
          </button>
        )}
        <button type="button" onClick={() => void checkModel(model)}>
          Check
        </button>
        <DeleteButton disabled={loaded} onDelete={() => void removeModel(model)} />
      </div>
    </li>
  );
}

function storageText({ policies, runs, recordings, quota }: Kept): string {
  const parts = `${formatBytes(policies)} of policies, ${formatBytes(runs)} of runs, ${formatBytes(recordings)} of recordings`;
  const most = quota === null ? '' : `; this browser allows ${formatBytes(quota)}`;
  return `Kept on this device: ${parts}${most}.`;
}

/** Policy packages on this device: where from, how large, whole or not. */
export function ModelsSection() {
  const info = usePolicyInfo();
  const { models, kept, adding, failure } = useModelsStore();
  useEffect(() => void refreshModels(), []);
  return (
    <section className="share-part" aria-labelledby="models-title">
      <h3 id="models-title">Policies on this device</h3>
      {kept && <p className="section-hint">{storageText(kept)}</p>}
      <KeptNowhere />
      <ul className="stored">
        {models.map((model) => (
          <Model key={model.key} model={model} loaded={model.hash === info?.package.hash} />
        ))}
      </ul>
      {failure && <FailureNotice failure={failure} />}
      <div className="actions">
        <label className="file-button">
          Add a package folder
          <input
            type="file"
            // React knows the attribute only in lower case.
            {...{ webkitdirectory: '' }}
            disabled={adding !== null}
            onChange={(event) => {
              void addFolder(chosenFiles(event.target.files));
              event.target.value = '';
            }}
          />
        </label>
        {adding !== null && <p className="waiting">{adding}</p>}
      </div>
      <PackagePicker />
    </section>
  );
}
