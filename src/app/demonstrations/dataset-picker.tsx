import { useId, useState, type ChangeEvent } from 'react';
import { HubTokenField } from '../controls/hub-token-field.tsx';
import { chosenFiles, droppedFiles, type HandedFile } from '../finetune/dropped-files.ts';
import { openDemonstrations } from '../finetune/run-session.ts';
import { useFineTuneStore } from '../finetune/finetune-store.ts';
import type { Failure } from '../status/failure.ts';

function openFiles(files: readonly HandedFile[]): void {
  const [first] = files;
  if (!first) return;
  const zip = files.length === 1 && /\.zip$/i.test(first.file.name);
  void openDemonstrations(zip ? { kind: 'zip', file: first.file } : { kind: 'files', files: [...files] });
}

function openChosen({ target }: ChangeEvent<HTMLInputElement>): void {
  openFiles(chosenFiles(target.files));
  // The same ones can be chosen again, after a failure or once they are mended.
  target.value = '';
}

function notReadable(error: unknown): void {
  const failure: Failure = {
    code: 'file-unreadable',
    message: `What was dropped could not be read: ${error instanceof Error ? error.message : String(error)}`,
    hint: 'Drop the files or the folder of a dataset that you may read, or choose them with the buttons.',
  };
  useFineTuneStore.setState({ demonstrations: { kind: 'failed', failure } });
}

/** A path of this site becomes an address; what `owner/name` or anything else means, the worker knows. */
function asTyped(text: string): string {
  const typed = text.trim();
  return /^\.{0,2}\//.test(typed) ? new URL(typed, location.href).href : typed;
}

/** A dataset of LeRobot, HDF5 or RLDS: dropped, chosen, or by its address. */
export function DatasetPicker({ disabled }: { disabled: boolean }) {
  const [over, setOver] = useState(false);
  const [url, setUrl] = useState('');
  const [token, setToken] = useState('');
  const urlField = useId();
  return (
    <div
      className="drop"
      data-over={over}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(!disabled);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        if (!disabled) void droppedFiles(event.dataTransfer).then(openFiles, notReadable);
      }}
    >
      <p>
        Drop a dataset here, as a folder, a zip or files: LeRobot (v2.0 to v3.0), HDF5 (LIBERO, robomimic,
        ACT, ALOHA) or RLDS (TFDS).
      </p>
      <div className="actions">
        <label className="file-button">
          Choose a folder
          <input
            type="file"
            // React knows the attribute only in lower case.
            {...{ webkitdirectory: '' }}
            disabled={disabled}
            onChange={openChosen}
          />
        </label>
        <label className="file-button">
          Choose a zip or HDF5 files
          <input type="file" accept=".zip,.hdf5,.h5" multiple disabled={disabled} onChange={openChosen} />
        </label>
      </div>
      <form
        className="url-row"
        onSubmit={(event) => {
          event.preventDefault();
          if (!url.trim()) return;
          const secret = token.trim();
          void openDemonstrations({ kind: 'url', url: asTyped(url), ...(secret ? { token: secret } : {}) });
        }}
      >
        <label htmlFor={urlField}>or an address, or a Hub repository</label>
        <input
          id={urlField}
          type="text"
          inputMode="url"
          value={url}
          placeholder="lerobot/svla_so101_pickplace"
          disabled={disabled}
          onChange={(event) => setUrl(event.target.value)}
        />
        <button type="submit" disabled={disabled || !url.trim()}>
          Open
        </button>
      </form>
      <HubTokenField token={token} disabled={disabled} onChange={setToken} />
    </div>
  );
}
