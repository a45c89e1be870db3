import { useEffect } from 'react';
import { goalOf } from '../../practice/tasks.ts';
import { useCompareStore } from '../finetune/compare-store.ts';
import { useFineTuneStore } from '../finetune/finetune-store.ts';
import { formatDuration } from '../format.ts';
import { useInstructionStore } from '../instruction/instruction-store.ts';
import { usePolicyInfo, useTraining } from '../policy/policy-store.ts';
import { doInstruction, TRIALS, whyNotOnTable } from '../practice/practice-run.ts';
import { usePracticeStore } from '../practice/practice-store.ts';
import { FailureNotice } from '../status/failure-notice.tsx';
import { useViewStore } from '../view-store.ts';
import { measureLesson } from './lesson-pace.ts';
import { forgetLesson, stopTeaching, teach } from './teach-session.ts';
import { DEMONSTRATIONS, useTeachStore } from './teach-store.ts';
import { lengthText, verdict } from './teach-text.ts';

function Offer({ task, instruction }: { task: string; instruction: string }) {
  const length = useTeachStore((state) => state.length);
  useEffect(() => void measureLesson(task), [task]);
  return (
    <>
      <p>
        <strong>It was never trained to do this.</strong> Teach it: {DEMONSTRATIONS} demonstrations by a
        scripted expert, with tasks it knows mixed in so they aren’t forgotten, a lesson, and {TRIALS} trials
        before and after.
      </p>
      <p role="status">{lengthText(length)}</p>
      <div className="actions">
        <button type="button" className="button-primary" onClick={() => void teach(task, instruction)}>
          Teach it this
        </button>
      </div>
    </>
  );
}

function Showing() {
  const opening = useFineTuneStore(({ demonstrations }) =>
    demonstrations.kind === 'opening' ? demonstrations : null,
  );
  return (
    <>
      <p id="teach-phase">1 of 3: recording demonstrations</p>
      <progress max={opening?.total || 1} value={opening?.done ?? 0} aria-labelledby="teach-phase" />
    </>
  );
}

function Training() {
  const progress = useFineTuneStore((state) => state.progress);
  const left = progress?.secondsLeft;
  return (
    <>
      <p id="teach-phase">
        2 of 3: the lesson
        {left !== null && left !== undefined && `, ${formatDuration(left)} left`}
      </p>
      <progress max={progress?.maxSteps ?? 1} value={progress?.step ?? 0} aria-labelledby="teach-phase" />
    </>
  );
}

function Trying() {
  const comparison = useCompareStore(({ comparisons }) => comparisons[0]);
  const before = comparison?.before.trials.length ?? 0;
  const after = comparison?.after.trials.length ?? 0;
  return (
    <p>
      3 of 3: trials on layouts it never saw,{' '}
      {before < TRIALS ? `as before: ${before}` : `after the lesson: ${after}`} of {TRIALS}
    </p>
  );
}

/** Where a task that was never trained has failed: the way to teach it, and what came of it. */
export default function TeachThis() {
  const { phase, task, instruction } = useTeachStore();
  const info = usePolicyInfo();
  const training = useTraining();
  const text = useInstructionStore((state) => state.text);
  const judged = usePracticeStore((state) => state.judged);
  const failed = usePracticeStore(
    ({ run, outcome }) => run.kind === 'idle' && (outcome.kind === 'gave-up' || outcome.kind === 'stopped'),
  );
  const setStep = useViewStore((state) => state.setStep);
  const body = () => {
    switch (phase.kind) {
      case 'showing':
        return <Showing />;
      case 'training':
        return <Training />;
      case 'waiting':
        return <p>3 of 3: trials, as soon as the table is shown</p>;
      case 'trying':
        return <Trying />;
      case 'done':
        return (
          <>
            <p role="status">{verdict(instruction, phase.before, phase.after)}</p>
            <div className="actions">
              <button
                type="button"
                className="button-primary"
                onClick={() => {
                  forgetLesson();
                  void doInstruction(instruction);
                }}
              >
                Watch it
              </button>
            </div>
          </>
        );
      default:
        return null;
    }
  };
  const going = body();
  if (going) {
    return (
      <section className="teach-this" aria-label="Teach it this">
        {going}
        {phase.kind !== 'done' && (
          <div className="actions">
            <button type="button" onClick={stopTeaching}>
              Stop the lesson
            </button>
          </div>
        )}
      </section>
    );
  }
  const found = goalOf(text);
  const offered = info !== null && !training && failed && whyNotOnTable(info) === null;
  const unknown = offered && judged && found?.task.heldOut === true;
  if (!unknown && !(offered && !judged) && phase.kind !== 'failed') return null;
  return (
    <section className="teach-this" aria-label="Teach it this">
      {phase.kind === 'failed' && (
        <FailureNotice failure={phase.failure} title={`“${task}” was not taught`} />
      )}
      {unknown && <Offer task={found.task.name} instruction={text.trim()} />}
      {offered && !judged && (
        <>
          <p>You can teach it by showing it: steer the arm yourself, five times or more.</p>
          <div className="actions">
            <button type="button" onClick={() => setStep('demonstrations')}>
              Show it how
            </button>
          </div>
        </>
      )}
    </section>
  );
}
