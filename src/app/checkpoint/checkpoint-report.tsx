import type { CheckpointReport } from '../../workers/boundary/contract-convert.ts';
import { Facts } from '../controls/facts.tsx';
import { formatBytes, formatCount } from '../format.ts';
import { choose } from './checkpoint-session.ts';
import { useCheckpointStore } from './checkpoint-store.ts';

/** Bytes a second of a line of 100 Mbit/s, to give an idea. */
const LINE = 12.5e6;

function duration(seconds: number): string {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

function time({ remote, sourceBytes, bytesPerSecond }: CheckpointReport): string {
  const converting = `at least ${duration(sourceBytes / bytesPerSecond)} to convert here`;
  return remote ? `${duration(sourceBytes / LINE)} to fetch at 100 Mbit/s, ${converting}` : converting;
}

function checked({ checkedFiles, files }: CheckpointReport): string {
  if (checkedFiles === 0) return 'sizes and headers; their place gives no hashes';
  const which =
    checkedFiles === files ? 'every file of weights' : `${checkedFiles} of ${files} files of weights`;
  return `${which}, against the SHA-256 that the Hub gives`;
}

/** What a checkpoint is, what it takes, and what can be chosen about it. Nothing of its weights was fetched yet. */
export function CheckpointReportView({ report, disabled }: { report: CheckpointReport; disabled: boolean }) {
  const choices = useCheckpointStore((state) => state.choices);
  const needs = report.checks.find(({ id }) => id === 'memory')?.needed ?? '';
  return (
    <div className="checkpoint-report">
      <h3>{report.name}</h3>
      {report.told.map((line) => (
        <p key={line}>{line}</p>
      ))}
      <Facts
        facts={[
          ['Robot', report.robot],
          ['Parameters', formatCount(report.parameters)],
          [report.remote ? 'To fetch' : 'To read', formatBytes(report.sourceBytes)],
          ['On this device afterwards', formatBytes(report.packageBytes)],
          [`Memory to run it (${report.backend.backend === 'webgpu' ? 'GPU' : 'CPU'})`, needs],
          ['Time', time(report)],
          ['Checked', checked(report)],
        ]}
      />
      {report.checks
        .filter(({ status }) => status !== 'ok')
        .map((check) => (
          <p key={check.id} className={`check check-${check.status}`}>
            <span className="check-label">{check.label}</span>
            <span className="check-found">
              {check.found} <span className="check-needed">needs {check.needed}</span>
            </span>
            <span className="check-hint">{check.hint}</span>
          </p>
        ))}
      <fieldset className="run-on" disabled={disabled}>
        <legend>Bits of the large matrices</legend>
        <div className="toggle">
          {([4, 8] as const).map((bits) => (
            <label key={bits}>
              <input
                type="radio"
                name="checkpoint-bits"
                checked={choices.bits === bits}
                onChange={() => void choose({ bits })}
              />
              <span>{bits}</span>
            </label>
          ))}
        </div>
      </fieldset>
      {report.unnormKeys.length > 1 && (
        <label className="checkpoint-choice">
          Statistics to un-normalise with
          <select
            value={report.defaultUnnormKey}
            disabled={disabled}
            onChange={(event) => void choose({ unnormKey: event.target.value })}
          >
            {report.unnormKeys.map((key) => (
              <option key={key}>{key}</option>
            ))}
          </select>
        </label>
      )}
      {report.choosesDecoding && (
        <label className="checkpoint-choice">
          Action tokens come out
          <select
            value={choices.decoding ?? ''}
            disabled={disabled}
            onChange={(event) => {
              const decoding = event.target.value as 'autoregressive' | 'parallel' | '';
              void choose({ decoding: decoding || undefined });
            }}
          >
            <option value="">as its files tell</option>
            <option value="autoregressive">one after the other (the original OpenVLA)</option>
            <option value="parallel">all at once (OpenVLA-OFT)</option>
          </select>
        </label>
      )}
    </div>
  );
}
