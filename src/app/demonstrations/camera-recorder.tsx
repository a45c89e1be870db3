import { useEffect, useRef } from 'react';
import type { PolicyInfo } from '../../workers/boundary/contract.ts';
import { useCameraStore } from '../camera/camera-store.ts';
import { Slots } from '../camera/slots-panel.tsx';
import { useInstructionStore } from '../instruction/instruction-store.ts';
import { StateInputs } from '../state/state-inputs.tsx';
import { useFocusKept } from '../controls/use-focus-kept.ts';
import { FailureNotice } from '../status/failure-notice.tsx';
import { formatValue } from '../format.ts';
import {
  finishCameraRecording,
  restingAction,
  setAction,
  startCameraRecording,
  stopCameraRecording,
  useActionStore,
} from './camera-session.ts';
import { forgetLast, useRecorderStore } from './recorder-store.ts';

function ActionSliders({ info }: { info: PolicyInfo }) {
  const values = useActionStore((state) => state.values);
  const { q01, q99 } = info.actionRange[info.defaultUnnormKey]!;
  return (
    <fieldset className="action-sliders">
      <legend>Action shown</legend>
      {info.actions.map(({ name, unit }, i) => {
        const [low, high] = [q01[i]!, q99[i]!];
        // A dimension that never moved in the policy's data still has to be reachable.
        const [min, max] = high > low ? [low, high] : [low - 1, high + 1];
        return (
          <label key={name}>
            <span>
              {name} {unit && <span className="unit">{unit}</span>}
            </span>
            <input
              type="range"
              min={min}
              max={max}
              step="any"
              value={values[i] ?? 0}
              onChange={(event) => setAction(i, event.target.valueAsNumber)}
            />
            <output className="number">{formatValue(values[i] ?? 0)}</output>
          </label>
        );
      })}
    </fieldset>
  );
}

/** Teaching with one's own cameras: what they see, and the actions one says belong to it. */
export function CameraRecorder({ policy }: { policy: PolicyInfo }) {
  const { status, last, failure } = useRecorderStore();
  const live = useCameraStore((state) => state.slots.every(({ kind }) => kind === 'live'));
  const text = useInstructionStore((state) => state.text);
  const setText = useInstructionStore((state) => state.setText);
  useEffect(() => {
    useActionStore.setState({ values: restingAction(policy) });
    forgetLast();
    return stopCameraRecording;
  }, [policy]);
  useEffect(() => {
    const keys = (event: KeyboardEvent): void => {
      if (event.key === 'Escape') stopCameraRecording();
    };
    document.addEventListener('keydown', keys);
    return () => document.removeEventListener('keydown', keys);
  }, []);
  const sliders = useRef<HTMLDivElement>(null);
  const start = useRef<HTMLButtonElement>(null);
  // While recording the arrows belong to the sliders.
  useFocusKept(status.kind, (phase) =>
    phase === 'recording' ? sliders.current?.querySelector<HTMLElement>('input') : start.current,
  );
  const recording = status.kind === 'recording';
  return (
    <div className="recorder" data-recording={recording}>
      <div className="recorder-inputs">
        <Slots info={policy} />
        <StateInputs info={policy} />
      </div>
      <div className="recorder-side">
        <div className="option">
          <label htmlFor="camera-instruction">Say what you’re showing</label>
          <input
            id="camera-instruction"
            type="text"
            maxLength={300}
            value={text}
            disabled={status.kind !== 'idle'}
            onChange={(event) => setText(event.target.value)}
          />
        </div>
        <div ref={sliders}>
          <ActionSliders info={policy} />
        </div>
        <div className="actions">
          {recording ? (
            <>
              <button
                type="button"
                className="button-primary button-large"
                disabled={status.steps === 0}
                onClick={() => void finishCameraRecording()}
              >
                Keep episode
              </button>
              <button type="button" className="button-stop" onClick={stopCameraRecording}>
                Throw away <kbd>Esc</kbd>
              </button>
              <p className="aside" role="status">
                Recording, {(status.steps / policy.controlHz).toFixed(1)} s at {policy.controlHz} Hz
              </p>
            </>
          ) : (
            <button
              ref={start}
              type="button"
              className="button-primary button-large"
              disabled={!live || !text.trim() || status.kind !== 'idle'}
              onClick={() => startCameraRecording(policy)}
            >
              Record
            </button>
          )}
        </div>
        {!live && <p className="aside">Connect every image first.</p>}
        {last && (
          <p className="aside" aria-live="polite">
            {last}
          </p>
        )}
        <p className="aside">
          Frames are taken as the policy sees them, and each goes with the action that the sliders show at
          that moment. Keys and gamepad move the sliders of a seven-dimensional action.
        </p>
        {failure && <FailureNotice failure={failure} />}
      </div>
    </div>
  );
}
