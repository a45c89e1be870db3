import type { FineTuneEstimate } from '../../workers/boundary/contract-finetune.ts';
import { FailureNotice } from '../status/failure-notice.tsx';
import { formatBytes, formatDuration } from '../format.ts';
import { lastEstimate } from './estimate-session.ts';
import { useFineTuneStore } from './finetune-store.ts';

function Known({ estimate, steps }: { estimate: FineTuneEstimate; steps: number }) {
  const { groups, trainable, base, memory, secondsPerStep, checkpointBytes } = estimate;
  const total = memory.parameters + memory.activations + memory.base;
  return (
    <>
      <table className="counts">
        <caption className="visually-hidden">Trainable parameters</caption>
        <tbody>
          {groups.map(({ name, label, count }) => (
            <tr key={name}>
              <th scope="row">{label}</th>
              <td>{count.toLocaleString('en')}</td>
            </tr>
          ))}
          <tr className="counts-total">
            <th scope="row">Trained in all</th>
            <td data-testid="trainable">
              {trainable.toLocaleString('en')}{' '}
              <span className="unit">
                {((100 * trainable) / (base + trainable)).toFixed(1)} % of the whole
              </span>
            </td>
          </tr>
        </tbody>
      </table>
      <p className="aside">
        About {formatBytes(total)} of memory ({formatBytes(memory.base)} of it are in use already)
        {secondsPerStep !== null &&
          `, ${formatDuration(secondsPerStep)} a step and ${formatDuration(secondsPerStep * steps)} in all on this machine`}
        ; {formatBytes(checkpointBytes)} of disk for each checkpoint.
      </p>
    </>
  );
}

/** What would be trained, and what it costs; or why it cannot be done. */
export function EstimateView() {
  const estimate = useFineTuneStore((state) => state.estimate);
  const steps = useFineTuneStore((state) => state.options.maxSteps);
  if (estimate.kind === 'none') return null;
  if (estimate.kind === 'failed')
    return <FailureNotice failure={estimate.failure} title="This cannot be trained" />;
  const known = lastEstimate(estimate);
  return (
    <div className="estimate" aria-busy={estimate.kind === 'asking'}>
      {known ? (
        <Known estimate={known} steps={steps} />
      ) : (
        <p className="waiting">Working out what this needs…</p>
      )}
      {known?.refusal && (
        <FailureNotice failure={{ code: 'bad-input', ...known.refusal }} title="This run cannot start" />
      )}
    </div>
  );
}
