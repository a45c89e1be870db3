import type { ConvertProgress } from '../../workers/boundary/contract-convert.ts';
import { formatBytes } from '../format.ts';
import { pauseConversion } from './checkpoint-session.ts';

/** How far the conversion has come, and how much of it stays if the page is closed now. */
export function CheckpointProgress({
  progress,
  pausing,
}: {
  progress: ConvertProgress | null;
  pausing: boolean;
}) {
  const percent = progress ? Math.floor((100 * progress.done) / progress.total) : 0;
  return (
    <div className="loading">
      <p className="loading-phase" id="converting">
        <span>{progress ? 'Fetching and converting' : 'Reading headers'}</span>
        <span className="number">{percent} %</span>
      </p>
      <progress max={100} value={percent} aria-labelledby="converting" />
      {progress && (
        <p className="aside" data-kept={progress.kept}>
          {formatBytes(progress.done)} of {formatBytes(progress.total)}; {formatBytes(progress.kept)} are kept
          if you close this page. <code>{progress.name}</code>
        </p>
      )}
      <div className="actions">
        <button type="button" disabled={pausing} onClick={() => void pauseConversion()}>
          {pausing ? 'Stopping…' : 'Pause'}
        </button>
      </div>
    </div>
  );
}
