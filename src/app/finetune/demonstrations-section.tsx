import { useId, useState } from 'react';
import type { DemonstrationsInfo, DimensionStatistics, FitNote } from '../../workers/contract-finetune.ts';
import { FailureNotice } from '../status/failure-notice.tsx';
import { formatValue } from '../format.ts';
import { chosenFiles, droppedFiles, type HandedFile } from './dropped-files.ts';
import { ExpertPicker } from './expert-picker.tsx';
import { closeDemonstrations, openDemonstrations } from './finetune-session.ts';
import { isRunning, useFineTuneStore } from './finetune-store.ts';

function openFiles(files: readonly HandedFile[]): void {
  const [first] = files;
  if (!first) return;
  const zip = files.length === 1 && /\.zip$/i.test(first.file.name);
  void openDemonstrations(zip ? { kind: 'zip', file: first.file } : { kind: 'files', files: [...files] });
}

function Picker({ disabled }: { disabled: boolean }) {
  const [over, setOver] = useState(false);
  const [url, setUrl] = useState('');
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
        if (!disabled) void droppedFiles(event.dataTransfer).then(openFiles);
      }}
    >
      <p>Drop a LeRobot dataset (v2.1 or v3.0) here: its folder, or a zip of it.</p>
      <div className="actions">
        <label className="file-button">
          Choose a folder
          <input
            type="file"
            // React knows the attribute only in lower case.
            {...{ webkitdirectory: '' }}
            disabled={disabled}
            onChange={(event) => openFiles(chosenFiles(event.target.files))}
          />
        </label>
        <label className="file-button">
          Choose a zip
          <input
            type="file"
            accept=".zip"
            disabled={disabled}
            onChange={(event) => openFiles(chosenFiles(event.target.files))}
          />
        </label>
      </div>
      <form
        className="url-row"
        onSubmit={(event) => {
          event.preventDefault();
          if (url.trim())
            void openDemonstrations({ kind: 'url', url: new URL(url.trim(), location.href).href });
        }}
      >
        <label htmlFor={urlField}>or the address of one</label>
        <input
          id={urlField}
          type="text"
          inputMode="url"
          value={url}
          placeholder="https://…/my-dataset/"
          disabled={disabled}
          onChange={(event) => setUrl(event.target.value)}
        />
        <button type="submit" disabled={disabled || !url.trim()}>
          Open
        </button>
      </form>
    </div>
  );
}

function Notes({
  notes,
  title,
  kind,
}: {
  notes: readonly FitNote[];
  title: string;
  kind: 'problem' | 'warning';
}) {
  if (notes.length === 0) return null;
  return (
    <div
      className={kind === 'problem' ? 'notice' : 'notice notice-calm'}
      role={kind === 'problem' ? 'alert' : 'note'}
    >
      <h3>{title}</h3>
      <ul className="fit-notes">
        {notes.map(({ id, found, needed, hint }) => (
          <li key={id} data-id={id}>
            Found {found}; needed {needed}. <span className="notice-hint">{hint}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}

function Statistics({ caption, rows }: { caption: string; rows: readonly DimensionStatistics[] }) {
  const columns = ['mean', 'std', 'min', 'max', 'q01', 'q99'] as const;
  return (
    <div className="table-scroll" tabIndex={0} role="region" aria-label={caption}>
      <table>
        <caption>{caption}</caption>
        <thead>
          <tr>
            <th scope="col">dimension</th>
            {columns.map((column) => (
              <th key={column} scope="col">
                {column}
              </th>
            ))}
            <th scope="col">normalised</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.name}>
              <th scope="row">{row.name}</th>
              {columns.map((column) => (
                <td key={column}>{formatValue(row[column])}</td>
              ))}
              <td>{row.normalised ? 'yes' : 'no'}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Opened({ info }: { info: DemonstrationsInfo }) {
  return (
    <>
      <dl className="facts">
        <div>
          <dt>Dataset</dt>
          <dd>{info.name}</dd>
        </div>
        <div>
          <dt>Format</dt>
          <dd>
            {info.format}, {info.fps} Hz
          </dd>
        </div>
        <div>
          <dt>Episodes</dt>
          <dd>{info.episodes.length}</dd>
        </div>
        <div>
          <dt>Training samples</dt>
          <dd>{info.samples}</dd>
        </div>
        {info.slots.map(({ label, camera }) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{camera || 'no camera'}</dd>
          </div>
        ))}
      </dl>
      <Notes notes={info.problems} title="The policy cannot be trained on these" kind="problem" />
      <Notes notes={info.warnings} title="Before you train" kind="warning" />
      <details>
        <summary>Episodes</summary>
        <ol className="episodes" tabIndex={0}>
          {info.episodes.map(({ index, length, instruction }) => (
            <li key={index}>
              <span className="number">{length} steps</span> {instruction || <em>no instruction</em>}
            </li>
          ))}
        </ol>
      </details>
      <details>
        <summary>Statistics</summary>
        <Statistics caption="Actions, as recorded" rows={info.action} />
        {info.state && <Statistics caption="State, as recorded" rows={info.state} />}
      </details>
    </>
  );
}

/** Which demonstrations: given, being read, shown, or refused. */
export function DemonstrationsSection() {
  const demonstrations = useFineTuneStore((state) => state.demonstrations);
  const running = useFineTuneStore((state) => isRunning(state.progress));
  return (
    <section className="teach-part" aria-labelledby="demonstrations-title">
      <div className="title-row">
        <h3 id="demonstrations-title">1. Demonstrations</h3>
        {demonstrations.kind === 'open' && (
          <button type="button" disabled={running} onClick={() => void closeDemonstrations()}>
            Use others
          </button>
        )}
      </div>
      {demonstrations.kind === 'failed' && (
        <FailureNotice failure={demonstrations.failure} title="These demonstrations cannot be read" />
      )}
      {(demonstrations.kind === 'none' || demonstrations.kind === 'failed') && (
        <>
          <Picker disabled={running} />
          <ExpertPicker disabled={running} />
        </>
      )}
      {demonstrations.kind === 'opening' && (
        <div aria-busy="true">
          <p className="waiting" id="opening">
            Reading actions and states
            {demonstrations.total > 0 && `, episode ${demonstrations.done} of ${demonstrations.total}`}…
          </p>
          <progress max={demonstrations.total || 1} value={demonstrations.done} aria-labelledby="opening" />
        </div>
      )}
      {demonstrations.kind === 'open' && <Opened info={demonstrations.info} />}
    </section>
  );
}
