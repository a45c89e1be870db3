import { useMemo } from 'react';
import { TrackPlot } from '../demonstrations/track-plot.tsx';
import { useFineTuneStore } from './finetune-store.ts';
import '../demonstrations/demonstrations.css';

const ignore = () => undefined;

/** One step of the demonstrations, predicted anew as training goes on: does it come closer? */
export function SamplePrediction() {
  const info = useFineTuneStore(({ demonstrations }) =>
    demonstrations.kind === 'open' ? demonstrations.info : null,
  );
  const looks = useFineTuneStore((state) => state.looks);
  const [first] = looks;
  const last = looks.at(-1);
  const plots = useMemo(
    () =>
      last && info
        ? info.action.map(({ name }, i) => ({
            name,
            values: last.check.recorded.map((row) => row[i]!),
            predicted: {
              steps: last.check.predicted.map((_, step) => step),
              values: last.check.predicted.map((row) => row[i]!),
            },
          }))
        : [],
    [last, info],
  );
  if (!first || !last) return null;
  return (
    <div className="sample">
      <p>
        Sample prediction{' '}
        <span className="aside">step {last.at} of the first episode; dashed is the policy</span> L1{' '}
        {first.check.l1.toFixed(3)}
        {looks.length > 1 && ` → ${last.check.l1.toFixed(3)}`}
      </p>
      <div className="tracks">
        {plots.map(({ name, values, predicted }) => (
          <TrackPlot
            key={name}
            name={name}
            values={values}
            step={0}
            from={0}
            to={values.length}
            predicted={predicted}
            onStep={ignore}
          />
        ))}
      </div>
    </div>
  );
}
