import { useEffect, useId, useState } from 'react';
import { HubTokenField } from '../controls/hub-token-field.tsx';
import { chosenFiles, type HandedFile } from '../finetune/dropped-files.ts';
import { formatBytes } from '../format.ts';
import { FailureNotice } from '../status/failure-notice.tsx';
import { BegunConversions } from './begun-conversions.tsx';
import { CheckpointProgress } from './checkpoint-progress.tsx';
import { CheckpointReportView } from './checkpoint-report.tsx';
import {
  closeCheckpoint,
  convertCheckpoint,
  lookAtCheckpoint,
  refreshBegun,
  reportOf,
} from './checkpoint-session.ts';
import { useCheckpointStore, type CheckpointStatus } from './checkpoint-store.ts';
import './checkpoint.css';

function openFiles(files: readonly HandedFile[]): void {
  if (files.length > 0) void lookAtCheckpoint({ kind: 'files', files: [...files] });
}

function startLabel(status: CheckpointStatus): string {
  const report = reportOf(status);
  if (!report || status.kind === 'paused' || report.state === 'begun') return 'Go on';
  if (status.kind === 'failed') return 'Go on';
  if (report.state === 'stored') return 'Open it';
  const what = formatBytes(report.sourceBytes);
  return report.remote ? `Fetch ${what} and convert` : `Convert ${what}`;
}

/** A Hub repository, an address or a folder with a checkpoint of OpenVLA, OpenVLA-OFT or VLA-Adapter. */
export function CheckpointPicker({ address = '' }: { address?: string }) {
  const status = useCheckpointStore((state) => state.status);
  const [typed, setTyped] = useState(address);
  const [token, setToken] = useState('');
  const addressField = useId();
  useEffect(() => void refreshBegun(), []);
  const busy = status.kind === 'inspecting' || status.kind === 'converting';
  const report = reportOf(status);
  const look = (): void => {
    const secret = token.trim();
    void lookAtCheckpoint({ kind: 'address', address: typed.trim(), ...(secret ? { token: secret } : {}) });
  };
  return (
    <section className="checkpoint" aria-label="Use a checkpoint">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          look();
        }}
      >
        <label htmlFor={addressField}>A checkpoint: a Hub repository, or the address of its folder</label>
        <input
          id={addressField}
          type="text"
          inputMode="url"
          required
          value={typed}
          placeholder="moojink/openvla-7b-oft-finetuned-libero-spatial"
          disabled={busy}
          onChange={(event) => setTyped(event.target.value)}
        />
        <div className="actions">
          <button type="submit" disabled={busy || !typed.trim()}>
            Look at it
          </button>
          <label className="file-button">
            Choose a checkpoint folder
            <input
              type="file"
              // React knows the attribute only in lower case.
              {...{ webkitdirectory: '' }}
              disabled={busy}
              onChange={(event) => {
                openFiles(chosenFiles(event.target.files));
                event.target.value = '';
              }}
            />
          </label>
        </div>
        <HubTokenField token={token} disabled={busy} onChange={setToken} />
      </form>
      <BegunConversions token={token.trim()} />
      {status.kind === 'inspecting' && (
        <p className="waiting" aria-busy="true">
          Reading its configuration and headers…
        </p>
      )}
      {report && <CheckpointReportView report={report} disabled={busy} />}
      {status.kind === 'converting' && (
        <CheckpointProgress progress={status.progress} pausing={status.pausing} />
      )}
      {status.kind === 'failed' && <FailureNotice failure={status.failure} />}
      {status.kind === 'paused' && <p role="status">Stopped. What is converted stays on this device.</p>}
      {report && !busy && (
        <div className="actions">
          <button type="button" className="button-primary" onClick={() => void convertCheckpoint()}>
            {startLabel(status)}
          </button>
          <button type="button" onClick={closeCheckpoint}>
            Close
          </button>
        </div>
      )}
    </section>
  );
}
