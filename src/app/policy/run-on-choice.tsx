import { useId } from 'react';
import type { BackendPreference } from '../../workers/boundary/contract.ts';
import { useRunStore } from '../prediction/run-store.ts';
import { runOn } from './policy-session.ts';
import { usePolicyStore } from './policy-store.ts';

const choices: { value: BackendPreference; label: string; detail: string }[] = [
  { value: 'auto', label: 'Automatic', detail: '' },
  { value: 'webgpu', label: 'GPU', detail: 'WebGPU' },
  { value: 'wasm', label: 'CPU', detail: 'WASM' },
];

/** Where the policy is to run. A change checks the machine anew and loads again, so not during a run. */
export function RunOnChoice() {
  const wanted = usePolicyStore((state) => state.backend);
  const running = useRunStore((state) => state.status.kind !== 'idle');
  const name = useId();
  return (
    <fieldset className="run-on" disabled={running}>
      <legend>Run on</legend>
      <div className="toggle">
        {choices.map(({ value, label, detail }) => (
          <label key={value}>
            <input
              type="radio"
              name={name}
              value={value}
              checked={(wanted === 'webgpu-ort' ? 'webgpu' : wanted) === value}
              onChange={() => void runOn(value)}
            />
            <span>
              {label} {detail && <span className="toggle-detail">{detail}</span>}
            </span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
