import type { LoadProgress } from '../../workers/boundary/contract.ts';
import { formatBytes } from '../format.ts';

const phases: Record<LoadProgress['phase'], string> = {
  manifest: 'Reading the manifest',
  shards: 'Fetching the policy',
  upload: 'Moving weights into place',
  compile: 'Preparing the network',
};

const shardStates: Record<LoadProgress['shards'][number]['state'], string> = {
  waiting: 'waiting',
  stored: 'on this device',
  downloading: 'downloading',
  verifying: 'checking',
  refetching: 'damaged, fetching again',
  done: 'done',
};

interface Props {
  progress: LoadProgress | null;
  cancelling: boolean;
  onCancel: () => void;
}

function percent(loaded: number, total: number): number {
  return total > 0 ? Math.min(100, Math.floor((100 * loaded) / total)) : 0;
}

/** How far loading has come, as a whole and per shard. */
export function LoadProgressView({ progress, cancelling, onCancel }: Props) {
  const phase = progress?.phase ?? 'manifest';
  const done = percent(progress?.loaded ?? 0, progress?.total ?? 0);
  return (
    <div className="loading">
      <p className="loading-phase" id="loading-phase">
        <span>{phases[phase]}</span>
        <span className="number">{done} %</span>
      </p>
      <progress max={100} value={done} aria-labelledby="loading-phase" />
      {progress && progress.shards.length > 0 && (
        <ul className="shards" aria-label="Shards">
          {progress.shards.map((shard) => (
            <li key={shard.name} data-state={shard.state}>
              <code>{shard.name}</code>
              <span className="number">
                {formatBytes(shard.loaded)} of {formatBytes(shard.total)}
              </span>
              <span className="shard-state">{shardStates[shard.state]}</span>
              <progress max={100} value={percent(shard.loaded, shard.total)} aria-label={shard.name} />
            </li>
          ))}
        </ul>
      )}
      <div className="actions">
        <button type="button" disabled={cancelling} onClick={onCancel}>
          {cancelling ? 'Stopping…' : 'Cancel'}
        </button>
        <p className="aside">What has arrived is kept; loading goes on from there.</p>
      </div>
    </div>
  );
}
