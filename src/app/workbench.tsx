import { useEffect, useRef } from 'react';
import type { PolicyInfo } from '../workers/boundary/contract.ts';
import { Honesty } from './camera/honesty.tsx';
import { MoveArrow } from './camera/move-arrow.tsx';
import { Slots } from './camera/slots-panel.tsx';
import { exampleInstructions, tableInstructions } from './instruction/instruction-store.ts';
import { InstructionField } from './instruction/instruction-field.tsx';
import { PolicySummary } from './policy/policy-summary.tsx';
import { PredictionPanel } from './prediction/prediction-panel.tsx';
import { RunControls } from './prediction/run-controls.tsx';
import { isShippedPolicy } from './url-state.ts';
import { StateInputs } from './state/state-inputs.tsx';
import { UnnormKeyChoice } from './state/unnorm-key-choice.tsx';
import './workbench.css';

/** What the policy is given on one side; what it is told and what it predicts on the other. */
export function Workbench({ info }: { info: PolicyInfo }) {
  // The button that was pressed last went with the gate: let the keyboard go on from here.
  const start = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (document.activeElement === document.body) start.current?.focus({ preventScroll: true });
  }, []);
  return (
    <div className="bench" ref={start} tabIndex={-1}>
      <div className="bench-inputs">
        <Slots info={info} over={<MoveArrow info={info} />} />
      </div>
      <div className="bench-output">
        <div className="bench-command">
          <InstructionField
            examples={isShippedPolicy(info.package.url) ? tableInstructions : exampleInstructions}
          />
          <RunControls info={info} />
        </div>
        <Honesty info={info} />
        <PredictionPanel info={info} />
      </div>
      <div className="bench-inputs bench-robot">
        <UnnormKeyChoice info={info} />
        <StateInputs info={info} />
        <PolicySummary info={info} />
      </div>
    </div>
  );
}
