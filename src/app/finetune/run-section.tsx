import { useMemo } from 'react';
import type { FineTuneProgress } from '../../workers/boundary/contract-finetune.ts';
import { Facts, type Fact } from '../controls/facts.tsx';
import { FailureNotice } from '../status/failure-notice.tsx';
import { toFailure } from '../status/failure.ts';
import { formatBytes, formatDuration, formatRate } from '../format.ts';
import { CurvePlot } from './curve-plot.tsx';
import { mayStart } from './estimate-session.ts';
import { EstimateView } from './estimate-view.tsx';
import { useCompareStore } from './compare-store.ts';
import { cancelRun, continueRun, pauseRun, startRun } from './run-session.ts';
import { useFineTuneStore } from './finetune-store.ts';
import { useTraining } from '../policy/policy-store.ts';
import { SamplePrediction } from './sample-prediction.tsx';

const PHASES: Record<FineTuneProgress['phase'], string> = {
  preparing: 'Preparing',
  training: 'Training',
  validating: 'Validating',
  saving: 'Saving a checkpoint',
  paused: 'Paused',
  done: 'Done',
  cancelled: 'Stopped',
  failed: 'Failed',
};

function Buttons({ progress }: { progress: FineTuneProgress | null }) {
  const ready = useFineTuneStore(mayStart);
  const training = useTraining();
  const byItself = useCompareStore((state) => state.byItself);
  const ofTable = useFineTuneStore(({ origin }) => origin !== 'dataset');
  if (!training) {
    return (
      <div className="actions">
        <button
          type="button"
          className="button-primary button-large"
          disabled={!ready}
          onClick={() => void startRun()}
        >
          Start training
        </button>
        <p className="aside">
          Runs on this device. The policy can be run meanwhile, with what it has learned by then.
        </p>
        {ofTable && (
          <label className="option-check">
            <input
              type="checkbox"
              checked={byItself}
              onChange={(event) => useCompareStore.setState({ byItself: event.target.checked })}
            />
            Compare before and after when it is done
          </label>
        )}
      </div>
    );
  }
  const paused = progress?.phase === 'paused';
  return (
    <div className="actions">
      <button
        type="button"
        className="button-large"
        onClick={() => void (paused ? continueRun() : pauseRun())}
      >
        {paused ? 'Continue' : 'Pause'}
      </button>
      <button type="button" className="button-large button-stop" onClick={() => void cancelRun()}>
        Stop and keep
      </button>
    </div>
  );
}

function Numbers({ progress }: { progress: FineTuneProgress }) {
  const last = useFineTuneStore((state) => state.steps.at(-1));
  const facts: Fact[] = [
    ['Step', `${progress.step} of ${progress.maxSteps}`],
    ['Loss', last ? last.loss.toFixed(4) : '–'],
    ['Learning rate', last ? last.learningRate.toPrecision(2) : '–'],
    ['Gradient norm', last ? last.gradNorm.toPrecision(3) : '–'],
    ['Samples per second', formatRate(progress.samplesPerSecond)],
    ['Time left', progress.secondsLeft === null ? '–' : formatDuration(progress.secondsLeft)],
    ['Memory', formatBytes(progress.memoryBytes)],
    ['Saved', progress.savedStep === null ? 'not yet' : `at step ${progress.savedStep}`],
  ];
  return <Facts className="run-facts number" facts={facts} />;
}

function Curves() {
  const steps = useFineTuneStore((state) => state.steps);
  const validations = useFineTuneStore((state) => state.validations);
  const curves = useMemo(() => {
    const loss = [
      {
        label: 'training',
        color: '--accent',
        points: steps.map(({ step, loss: value }) => ({ step, value })),
      },
      {
        label: 'validation',
        color: '--warn',
        sparse: true,
        points: validations.map(({ step, loss: value }) => ({ step, value })),
      },
    ];
    const l1 = [
      {
        label: 'current action',
        color: '--stage-0',
        sparse: true,
        points: validations.map(({ step, currentL1: value }) => ({ step, value })),
      },
      {
        label: 'next actions',
        color: '--stage-3',
        sparse: true,
        points: validations.map(({ step, nextL1: value }) => ({ step, value })),
      },
    ];
    const rate = [
      {
        label: 'learning rate',
        color: '--accent',
        points: steps.map(({ step, learningRate: value }) => ({ step, value })),
      },
    ];
    const norm = [
      {
        label: 'gradient norm',
        color: '--accent',
        points: steps.map(({ step, gradNorm: value }) => ({ step, value })),
      },
    ];
    return { loss, l1, rate, norm };
  }, [steps, validations]);
  const hasL1 = validations.some(({ currentL1 }) => currentL1 !== null);
  return (
    <>
      <div className="curves">
        <CurvePlot title="Loss" curves={curves.loss} />
        {hasL1 && <CurvePlot title="L1 on held-out episodes" curves={curves.l1} />}
        <CurvePlot title="Gradient norm" curves={curves.norm} />
        <CurvePlot title="Learning rate" curves={curves.rate} />
      </div>
      {validations.length > 0 && (
        <details>
          <summary>Validations as a table</summary>
          <table>
            <thead>
              <tr>
                <th scope="col">step</th>
                <th scope="col">loss</th>
                <th scope="col">current action L1</th>
                <th scope="col">next actions L1</th>
              </tr>
            </thead>
            <tbody>
              {validations.map(({ step, loss, currentL1, nextL1 }) => (
                <tr key={step}>
                  <th scope="row">{step}</th>
                  <td>{loss.toFixed(4)}</td>
                  <td>{currentL1?.toFixed(4) ?? '–'}</td>
                  <td>{nextL1?.toFixed(4) ?? '–'}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </details>
      )}
    </>
  );
}

/** Start, watch and steer a run. */
export function RunSection() {
  const progress = useFineTuneStore((state) => state.progress);
  const failure = useFineTuneStore((state) => state.failure);
  const open = useFineTuneStore(
    ({ demonstrations }) => demonstrations.kind === 'open' && demonstrations.info.problems.length === 0,
  );
  const training = useTraining();
  if (!open && !progress) return failure && <FailureNotice failure={failure} title="That did not work" />;
  return (
    <section className="teach-part" aria-labelledby="run-title">
      <h3 id="run-title">Train</h3>
      {!training && <EstimateView />}
      <Buttons progress={progress} />
      {failure && <FailureNotice failure={failure} title="That did not work" />}
      {progress && (
        <div className="run-view" data-phase={progress.phase}>
          <p className="run-phase">
            <strong role="status">{PHASES[progress.phase]}</strong>{' '}
            <span className="aside">{progress.run}</span>
          </p>
          <progress max={progress.maxSteps} value={progress.step} aria-label="Steps done" />
          <Numbers progress={progress} />
          {progress.error && (
            <FailureNotice
              failure={toFailure(progress.error)}
              title={progress.phase === 'failed' ? undefined : 'A checkpoint could not be saved'}
            />
          )}
          <Curves />
          <SamplePrediction />
        </div>
      )}
    </section>
  );
}
