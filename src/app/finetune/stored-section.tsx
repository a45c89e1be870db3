import { useState } from 'react';
import { readingText } from '../../episodes/reading.ts';
import type { AdapterInfo } from '../../workers/boundary/contract-adapters.ts';
import type { RunInfo } from '../../workers/boundary/contract-finetune.ts';
import { DeleteButton } from '../controls/delete-button.tsx';
import { EditableText } from '../controls/editable-text.tsx';
import { formatBytes, formatCount } from '../format.ts';
import { chosenFiles } from './dropped-files.ts';
import {
  chooseAdapter,
  exportAdapter,
  importAdapter,
  removeAdapter,
  renameAdapter,
} from './adapter-session.ts';
import { loadedHash, openRun, removeRun, resumeRun } from './run-session.ts';
import { useFineTuneStore } from './finetune-store.ts';
import { interruptedText } from './interrupted-text.ts';
import { useTraining } from '../policy/policy-store.ts';

function RunRow({ info, busy }: { info: RunInfo; busy: boolean }) {
  const [step, setStep] = useState<number | null>(null);
  const other = info.packageHash !== loadedHash();
  const finished = info.step >= info.maxSteps;
  return (
    <li className="stored-row">
      <div>
        <strong>{info.run}</strong>
        <p className="aside">
          {finished ? `done, ${info.step} steps` : `stopped at step ${info.step} of ${info.maxSteps}`} on{' '}
          {info.demonstrations.name}; {formatBytes(info.byteLength)}
          {other && '; of another policy'}
        </p>
        {info.demonstrations.reading && (
          <p className="aside">Read as {readingText(info.demonstrations.reading)}</p>
        )}
      </div>
      <div className="actions">
        {!finished && (
          <button
            type="button"
            className="button-primary"
            disabled={busy || other}
            onClick={() => void resumeRun(info.run)}
          >
            Resume
          </button>
        )}
        {info.checkpoints.length > 1 && (
          <select
            aria-label={`Checkpoint of ${info.run}`}
            value={step ?? info.step}
            disabled={busy || other}
            onChange={(event) => setStep(Number(event.target.value))}
          >
            {info.checkpoints.toReversed().map((at) => (
              <option key={at} value={at}>
                step {at}
              </option>
            ))}
          </select>
        )}
        <button type="button" disabled={busy || other} onClick={() => void openRun(info, step)}>
          Use it
        </button>
        <DeleteButton disabled={busy} onDelete={() => void removeRun(info)} />
      </div>
    </li>
  );
}

/** Runs on this device; after a reload in the middle of one this is where it goes on. */
export function RunsSection() {
  const runs = useFineTuneStore((state) => state.runs);
  const busy = useTraining();
  const open = useFineTuneStore(({ demonstrations }) =>
    demonstrations.kind === 'open' ? demonstrations.info.fingerprint : null,
  );
  const unfinished = runs.filter(({ step, maxSteps }) => step < maxSteps);
  if (runs.length === 0) return null;
  return (
    <section className="teach-part" aria-labelledby="runs-title">
      <h3 id="runs-title">Runs on this device</h3>
      {!busy &&
        unfinished.map((info) => (
          <p key={info.run} className="section-hint">
            {interruptedText(info, { open, packageHash: loadedHash() })}
          </p>
        ))}
      <ul className="stored">
        {runs.map((info) => (
          <RunRow key={info.run} info={info} busy={busy} />
        ))}
      </ul>
    </section>
  );
}

function ExportButtons({ adapter, busy }: { adapter: AdapterInfo; busy: boolean }) {
  const [share, setShare] = useState<number | null>(null);
  const save = (kind: 'checkpoint' | 'merged'): void => {
    setShare(0);
    void exportAdapter(adapter, kind, (done, total) => setShare(done / total)).finally(() => setShare(null));
  };
  return (
    <>
      <button type="button" disabled={busy || share !== null} onClick={() => save('checkpoint')}>
        {share === null ? 'Export checkpoint' : `Exporting, ${Math.floor(100 * share)} %`}
      </button>
      <button type="button" disabled={busy || share !== null} onClick={() => save('merged')}>
        Export merged
      </button>
    </>
  );
}

/** What is laid over the policy: nothing, or one of the adapters trained or imported. */
export function AdaptersSection() {
  const adapters = useFineTuneStore((state) => state.adapters);
  const active = useFineTuneStore((state) => state.active);
  const busy = useTraining();
  return (
    <section className="teach-part" aria-labelledby="adapters-title">
      <h3 id="adapters-title">Active model</h3>
      {busy && (
        <p className="section-hint">While a run goes on, the active model is what it has learned so far.</p>
      )}
      <fieldset disabled={busy} className="adapters">
        <legend className="visually-hidden">Active model</legend>
        <label className="adapter">
          <input
            type="radio"
            name="adapter"
            checked={active === null && !busy}
            onChange={() => void chooseAdapter(null)}
          />
          <span>Original policy</span>
        </label>
        {adapters.map((adapter) => (
          <div key={adapter.id} className="stored-row">
            <label className="adapter">
              <input
                type="radio"
                name="adapter"
                checked={active === adapter.id && !busy}
                onChange={() => void chooseAdapter(adapter.id)}
              />
              <span>
                {adapter.label}{' '}
                <span className="unit">
                  step {adapter.step}, {formatCount(adapter.trainable)} parameters
                </span>
              </span>
            </label>
            <div className="actions">
              <ExportButtons adapter={adapter} busy={busy} />
              <button
                type="button"
                aria-label={`Delete ${adapter.label}`}
                onClick={() => void removeAdapter(adapter)}
              >
                Delete
              </button>
            </div>
            <details className="adapter-name">
              <summary>Rename</summary>
              <EditableText
                label="Name of this adapter"
                action="Rename"
                value={adapter.label}
                onChange={(name) => void renameAdapter(adapter, name)}
              />
            </details>
          </div>
        ))}
      </fieldset>
      <div className="actions">
        <label className="file-button">
          Import a checkpoint zip
          <input
            type="file"
            accept=".zip"
            disabled={busy}
            onChange={(event) => {
              void importAdapter(chosenFiles(event.target.files));
              event.target.value = '';
            }}
          />
        </label>
        <label className="file-button">
          Import a checkpoint folder
          <input
            type="file"
            {...{ webkitdirectory: '' }}
            disabled={busy}
            onChange={(event) => {
              void importAdapter(chosenFiles(event.target.files));
              event.target.value = '';
            }}
          />
        </label>
        <p className="aside">
          The folder that openvla-oft’s finetune.py writes. Compatible with openvla-oft in both directions.
        </p>
      </div>
    </section>
  );
}
