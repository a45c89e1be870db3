import { useId, useState } from 'react';
import type { DemonstrationsInfo, LeRobotForm } from '../../workers/boundary/contract-demonstrations.ts';
import { FailureNotice } from '../status/failure-notice.tsx';
import { folderPicker, pushToHub, saveIntoFolder, saveZip, setForm, stopWriting } from './export-session.ts';
import { useExportStore, type ExportStatus } from './export-store.ts';

function Form({ disabled }: { disabled: boolean }) {
  const form = useExportStore((state) => state.form);
  const [version, frames] = [useId(), useId()];
  return (
    <div className="actions export-form">
      <label htmlFor={version}>Format</label>
      <select
        id={version}
        value={form.version}
        disabled={disabled}
        onChange={(event) => setForm({ version: event.target.value as LeRobotForm['version'] })}
      >
        <option value="v3.0">LeRobot v3.0 (lerobot 0.4 and later)</option>
        <option value="v2.1">LeRobot v2.1 (up to lerobot 0.3.3)</option>
      </select>
      <label htmlFor={frames}>Frames</label>
      <select
        id={frames}
        value={form.frames}
        disabled={disabled}
        onChange={(event) => setForm({ frames: event.target.value as LeRobotForm['frames'] })}
      >
        <option value="video">Video: small, with some loss</option>
        <option value="images">Images: exact, and large</option>
      </select>
    </div>
  );
}

/** Name, visibility and token; nothing is sent before the summary of them is confirmed. */
function HubPush({ info, disabled }: { info: DemonstrationsInfo; disabled: boolean }) {
  const [repo, setRepo] = useState('');
  const [isPublic, setPublic] = useState(false);
  const [token, setToken] = useState('');
  const [confirming, setConfirming] = useState(false);
  const [repoField, tokenField] = [useId(), useId()];
  const { version } = useExportStore((state) => state.form);
  if (confirming) {
    return (
      <div className="notice" role="group" aria-label="Confirm the upload">
        <p>
          This makes the new <strong>{isPublic ? 'public' : 'private'}</strong> dataset{' '}
          <strong>{repo}</strong> on huggingface.co, with {info.episodes.length} episodes as LeRobot {version}
          . {isPublic && 'Everyone can see its pictures.'}
        </p>
        <div className="actions">
          <button
            type="button"
            className="button-primary"
            onClick={() => {
              setConfirming(false);
              setToken('');
              void pushToHub(repo, isPublic ? 'public' : 'private', token);
            }}
          >
            Make it and upload
          </button>
          <button type="button" onClick={() => setConfirming(false)}>
            Not now
          </button>
        </div>
      </div>
    );
  }
  return (
    <form
      className="url-row"
      onSubmit={(event) => {
        event.preventDefault();
        setConfirming(true);
      }}
    >
      <label htmlFor={repoField}>New dataset on the Hub</label>
      <input
        id={repoField}
        type="text"
        value={repo}
        placeholder="your-name/my-dataset"
        pattern="[A-Za-z0-9][\w.\-]*/[A-Za-z0-9][\w.\-]*"
        title="owner/name"
        required
        disabled={disabled}
        onChange={(event) => setRepo(event.target.value.trim())}
      />
      <label htmlFor={tokenField}>Access token that may write; it is not kept</label>
      <input
        id={tokenField}
        type="password"
        autoComplete="off"
        value={token}
        required
        disabled={disabled}
        onChange={(event) => setToken(event.target.value.trim())}
      />
      <label>
        <input
          type="checkbox"
          checked={isPublic}
          disabled={disabled}
          onChange={(event) => setPublic(event.target.checked)}
        />
        Public
      </label>
      <button type="submit" disabled={disabled}>
        Upload…
      </button>
    </form>
  );
}

function Status({ status }: { status: ExportStatus }) {
  if (status.kind === 'failed')
    return <FailureNotice failure={status.failure} title="The dataset was not written" />;
  if (status.kind === 'writing') {
    return (
      <div aria-busy="true">
        <p className="waiting" id="writing">
          Writing {status.to}
          {status.total > 0 && `, step ${status.done} of ${status.total}`}…
        </p>
        <progress max={status.total || 1} value={status.done} aria-labelledby="writing" />
        <div className="actions">
          <button type="button" onClick={() => void stopWriting()}>
            Stop
          </button>
        </div>
      </div>
    );
  }
  if (status.kind === 'none') return null;
  return (
    <div role="status">
      <p>{status.url ? <a href={status.url}>{status.to} is on the Hub</a> : `${status.to} is written.`}</p>
      {status.notes.map((note) => (
        <p key={note} className="aside">
          {note}
        </p>
      ))}
    </div>
  );
}

/** The demonstrations that are open, whatever they came from, as a LeRobot dataset. */
export function ExportSection({ info }: { info: DemonstrationsInfo }) {
  const status = useExportStore((state) => state.status);
  const disabled = status.kind === 'writing' || info.episodes.length === 0;
  return (
    <section className="export" aria-labelledby="export-title">
      <h3 id="export-title">Save as a LeRobot dataset</h3>
      <p className="section-hint">
        What is trained on, with trims, labels and deletions applied. lerobot opens it, and so does this page.
      </p>
      <Form disabled={disabled} />
      <div className="actions">
        <button type="button" disabled={disabled} onClick={() => void saveZip(info)}>
          Save as a zip
        </button>
        {folderPicker && (
          <button type="button" disabled={disabled} onClick={() => void saveIntoFolder()}>
            Save into a folder
          </button>
        )}
      </div>
      <details>
        <summary>Upload to the Hugging Face Hub</summary>
        <HubPush info={info} disabled={disabled} />
      </details>
      <Status status={status} />
    </section>
  );
}
