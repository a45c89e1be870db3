import type { PolicyInfo } from '../../workers/boundary/contract.ts';
import { formatMs, formatRate } from '../format.ts';
import { usePredictionStore } from './prediction-store.ts';
import { median, predictionRate, stageTimings } from './timing.ts';

function Readout({ label, value, unit }: { label: string; value: string; unit: string }) {
  return (
    <div className="readout">
      <dt>{label}</dt>
      <dd>
        <span className="readout-value">{value}</span> <span className="unit">{unit}</span>
      </dd>
    </div>
  );
}

/** How long a prediction takes, by stage, and how many come per second. */
export function LatencyView({ info }: { info: PolicyInfo }) {
  const timings = usePredictionStore((state) => state.timings);
  const stages = stageTimings(timings);
  const rate = predictionRate(timings);
  const total = stages.reduce((sum, { medianMs }) => sum + medianMs, 0);
  const latency = median(timings.map(({ elapsedMs }) => elapsedMs));
  const of = timings.length === 1 ? 'of one prediction' : `median of the last ${timings.length}`;
  return (
    <section className="latency" aria-labelledby="speed-title">
      <h2 id="speed-title">Speed</h2>
      <dl className="readouts">
        <Readout label="Latency" value={formatMs(latency).replace(' ms', '')} unit={`ms, ${of}`} />
        <Readout label="Predictions" value={formatRate(rate)} unit="per second" />
        <Readout
          label="Actions"
          value={formatRate(rate === null ? null : rate * info.chunkSize)}
          unit={`per second; the robot takes ${info.controlHz}`}
        />
      </dl>
      <div className="stage-bar" aria-hidden="true">
        {stages.map(({ name, medianMs }, index) => (
          <span
            key={name}
            className={`stage-part stage-${index % 8}`}
            style={{ flexGrow: total > 0 ? medianMs / total : 1 }}
          />
        ))}
      </div>
      <dl className="stages">
        {stages.map(({ name, latestMs, medianMs }, index) => (
          <div key={name}>
            <dt>
              <span className={`swatch stage-${index % 8}`} aria-hidden="true" />
              {name}
            </dt>
            <dd title={`newest: ${formatMs(latestMs)}`}>{formatMs(medianMs)}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
