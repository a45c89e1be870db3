import type { PolicyInfo } from '../../workers/boundary/contract.ts';
import { parseValue, useStateStore } from './state-store.ts';
import './state.css';

/** The robot's own state, one number per entry, where the policy wants it. */
export function StateInputs({ info }: { info: PolicyInfo }) {
  const values = useStateStore((state) => state.values);
  const setValue = useStateStore((state) => state.setValue);
  const reset = useStateStore((state) => state.reset);
  if (!info.state) return null;
  return (
    <section aria-labelledby="state-title">
      <div className="title-row">
        <h2 id="state-title">Robot state</h2>
        <button type="button" className="button-quiet" onClick={() => reset(info)}>
          Reset to mean
        </button>
      </div>
      <p className="section-hint">
        Where the robot is now. Without one, leave the mean of the training demonstrations.
      </p>
      <div className="state-grid">
        {info.state.map(({ name, unit }, index) => {
          const value = values[index] ?? '';
          return (
            <label key={name} className="state-entry">
              <span>
                {name} {unit && <span className="unit">{unit}</span>}
              </span>
              <input
                type="number"
                step="any"
                inputMode="decimal"
                value={value}
                aria-invalid={parseValue(value) === null}
                onChange={(event) => setValue(index, event.target.value)}
              />
            </label>
          );
        })}
      </div>
    </section>
  );
}
