/** Everything between a task that the policy cannot do and a verdict: demonstrations, a lesson, trials before and after. */
import { recordExpert } from '../demonstrations/expert-session.ts';
import { compare, stopComparing } from '../finetune/compare-session.ts';
import { useCompareStore } from '../finetune/compare-store.ts';
import { setOptions } from '../finetune/estimate-session.ts';
import { cancelRun, startRun } from '../finetune/run-session.ts';
import { useFineTuneStore } from '../finetune/finetune-store.ts';
import { stopPractice } from '../practice/practice-run.ts';
import { toFailure, type Failure } from '../status/failure.ts';
import { useViewStore } from '../view-store.ts';
import { keepPace } from './lesson-pace.ts';
import { DEMONSTRATIONS, isTeaching, useTeachStore, type TeachPhase } from './teach-store.ts';

let stopped = false;

const phase = (next: TeachPhase): void => useTeachStore.setState({ phase: next });

/** Teaches a task; what was in use before is built upon. */
export async function teach(task: string, instruction: string): Promise<void> {
  if (isTeaching()) return;
  stopped = false;
  useTeachStore.setState({ phase: { kind: 'showing' }, task, instruction });
  stopPractice();
  try {
    phase(await lesson(task));
  } catch (error) {
    phase(stopped ? { kind: 'stopped' } : { kind: 'failed', failure: toFailure(error) });
  }
}

async function lesson(task: string): Promise<TeachPhase> {
  let begun = performance.now();
  await recordExpert({ tasks: [task], robot: 'gripper', episodes: DEMONSTRATIONS, rehearse: true });
  if (stopped) return { kind: 'stopped' };
  const episode = (performance.now() - begun) / 1000 / demonstrationsFit();
  const { active, adapters } = useFineTuneStore.getState();
  const before = adapters.find(({ id, robot }) => id === active && robot === null);
  setOptions({ startFrom: before?.id ?? null });
  phase({ kind: 'training' });
  await startRun();
  if (stopped) return { kind: 'stopped' };
  const taught = trained();
  phase({ kind: 'waiting' });
  await tableShown();
  if (stopped) return { kind: 'stopped' };
  phase({ kind: 'trying' });
  begun = performance.now();
  await compare([task], taught, { before: before?.id ?? null });
  const [comparison] = useCompareStore.getState().comparisons;
  const { failure } = useCompareStore.getState();
  if (failure) throw failure;
  const whole = comparison && comparison.before.trials.length === comparison.after.trials.length;
  if (whole) {
    const trials = comparison.before.trials.length + comparison.after.trials.length;
    const trial = (performance.now() - begun) / 1000 / trials;
    keepPace({ episode, step: secondsPerStep(), trial });
  }
  return whole
    ? { kind: 'done', before: comparison.before.trials, after: comparison.after.trials }
    : { kind: 'stopped' };
}

/** Of the run that has just ended. */
function secondsPerStep(): number {
  const { progress, options } = useFineTuneStore.getState();
  return (options.batchSize * options.gradAccumulationSteps) / (progress?.samplesPerSecond ?? Number.NaN);
}

/** @returns how many there are */
function demonstrationsFit(): number {
  const { demonstrations } = useFineTuneStore.getState();
  if (demonstrations.kind === 'failed') throw demonstrations.failure;
  if (demonstrations.kind !== 'open') throw notRecorded;
  const [problem] = demonstrations.info.problems;
  if (problem) {
    throw {
      code: 'bad-input',
      message: `The policy cannot be trained on these: ${problem.found}; needed ${problem.needed}.`,
      hint: problem.hint,
    } satisfies Failure;
  }
  return demonstrations.info.recorded.length;
}

const notRecorded: Failure = {
  code: 'bad-input',
  message: 'The demonstrations could not be recorded.',
  hint: 'Open the practice table, and try again.',
};

/** @returns the adapter that the run made */
function trained(): string {
  const { progress, failure, active } = useFineTuneStore.getState();
  if (progress?.phase === 'failed' && progress.error) throw progress.error;
  if (failure) throw failure;
  if (progress?.phase !== 'done' || active === null) throw notTrained;
  return active;
}

const notTrained: Failure = {
  code: 'bad-input',
  message: 'The run ended before it was done.',
  hint: 'What it had learned by then is kept under Fine-tune, where it can go on.',
};

const onTable = (): boolean => {
  const { step, view } = useViewStore.getState();
  return step === 'run' && view === 'table';
};

/** Trials are run where they can be seen. */
function tableShown(): Promise<void> {
  return new Promise((resolve) => {
    const check = (): void => {
      if (!onTable() && !stopped) return;
      unsubscribe();
      ended();
      resolve();
    };
    const unsubscribe = useViewStore.subscribe(check);
    const ended = useTeachStore.subscribe(check);
    check();
  });
}

/** Ends it where it is; what was recorded and learned until then is kept. */
export function stopTeaching(): void {
  if (!isTeaching()) return;
  stopped = true;
  const { kind } = useTeachStore.getState().phase;
  if (kind === 'training') void cancelRun();
  else if (kind === 'trying') stopComparing();
  else phase({ kind: 'stopped' });
}

export function forgetLesson(): void {
  if (!isTeaching()) phase({ kind: 'idle' });
}
