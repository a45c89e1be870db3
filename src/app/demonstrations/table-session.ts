/** Recording on the practice table: a person steers, the practice worker records. */
import type {
  HandReport,
  RecordedDemonstrations,
  TableLayout,
} from '../../workers/boundary/contract-practice.ts';
import { useInstructionStore } from '../instruction/instruction-store.ts';
import { practiceIdle, replay, stopPractice } from '../practice/practice-run.ts';
import {
  faceTable,
  practiceWorker,
  randomSeed,
  relayTable,
  tableAzimuth,
} from '../practice/practice-session.ts';
import { usePracticeStore } from '../practice/practice-store.ts';
import { toFailure } from '../status/failure.ts';
import { canUndo } from '../undo/undo-store.ts';
import { addRecordings } from './recorded-set.ts';
import { useRecorderStore } from './recorder-store.ts';
import { alongTable, startSteering, type Steering } from './steer.ts';

const set = useRecorderStore.setState;

let steering: Steering | null = null;

export function tableSteering(): Steering | null {
  return steering;
}

/** Hands the gripper to the visitor. Stays so, episode after episode, until `stopTableRecording`. */
export async function startTableRecording(): Promise<void> {
  stopPractice();
  set({ last: '', failure: null });
  try {
    await practiceIdle();
    await faceTable();
    await layAgain();
    // Keys count from when the page says that it is one's turn; the worker may be a moment later.
    let taken = false;
    const early: number[][] = [];
    steering = startSteering((action) => {
      if (taken) steer(action);
      else early.push(action);
    });
    await attempt();
    taken = true;
    early.slice(-1).forEach(steer);
  } catch (error) {
    endSteering();
    set({ status: { kind: 'idle' }, failure: toFailure(error) });
  }
}

function steer(action: number[]): void {
  void practiceWorker()
    .steer(alongTable(action, tableAzimuth()))
    .catch(() => undefined);
}

/** The layout as it was laid, whatever became of it, with the visitor's own words. */
async function layAgain(): Promise<void> {
  const { text } = useInstructionStore.getState();
  await relayTable('same');
  useInstructionStore.getState().setText(text);
}

async function attempt(): Promise<void> {
  set({ status: { kind: 'recording', steps: 0, achieved: false } });
  await practiceWorker().takeOver(onStep);
}

function onStep({ steps, achieved, done }: HandReport): void {
  if (useRecorderStore.getState().status.kind !== 'recording') return;
  set({ status: { kind: 'recording', steps, achieved } });
  if (done) void finishEpisode();
}

/** Keeps what was recorded, and lays the table for the next. */
export async function finishEpisode(): Promise<void> {
  if (useRecorderStore.getState().status.kind !== 'recording') return;
  const { achieved } = useRecorderStore.getState().status as { achieved: boolean };
  const { judged: judgedBefore } = usePracticeStore.getState();
  set({ status: { kind: 'saving' } });
  try {
    const recorded = await practiceWorker().handBack(true);
    if (recorded) {
      const { episodes, ...about } = recorded;
      // What nobody can judge is a success if its maker finishes it.
      const failed = judgedBefore && !achieved;
      const rehearsed = await addRecordings('table', about, episodes, failed ? { success: false } : {});
      const kept = failed
        ? 'Saved as a failure: it is left out of training unless you mark it as a success.'
        : 'Saved. New layout ready.';
      set({ last: rehearsed ? `${kept} Mix in what it knows again when you are done.` : kept });
      const { text } = useInstructionStore.getState();
      await relayTable('new');
      // Words of one's own go on; those of a task follow its layout.
      if (!judgedBefore) useInstructionStore.getState().setText(text);
    }
    if (steering) await attempt();
    else set({ status: { kind: 'idle' } });
  } catch (error) {
    endSteering();
    set({ status: { kind: 'idle' }, failure: toFailure(error) });
  }
}

/** Throws the attempt away; the same layout again. */
export async function discardEpisode(): Promise<void> {
  if (useRecorderStore.getState().status.kind !== 'recording') return;
  try {
    const discarded = await practiceWorker().handBack(true);
    await layAgain();
    set({ last: 'Discarded. Same layout again.' });
    canKeep(discarded);
    await attempt();
  } catch (error) {
    endSteering();
    set({ status: { kind: 'idle' }, failure: toFailure(error) });
  }
}

function endSteering(): void {
  steering?.stop();
  steering = null;
}

/** Ends it at once; an unfinished attempt is not kept. */
export function stopTableRecording(): void {
  if (!steering) return;
  endSteering();
  // What was done is kept; then, with nobody at the gripper, recording has ended.
  if (useRecorderStore.getState().status.kind === 'saving') return;
  set({ status: { kind: 'idle' } });
  void practiceWorker()
    .handBack(true)
    .then(canKeep, () => undefined);
}

/** What was thrown away may be kept after all; of attempts that are not finished nobody said that they succeeded. */
function canKeep(discarded: RecordedDemonstrations | null): void {
  if (!discarded) return;
  const { episodes, ...about } = discarded;
  canUndo({
    said: 'Attempt discarded.',
    about: 'demonstrations',
    undo: () => addRecordings('table', about, episodes, { success: false }),
  });
}

/** @param typing whether the key goes into a text */
export function recordingKey(key: string, typing: boolean): void {
  if (key === 'Escape') stopTableRecording();
  else if (key === 'Backspace' && !typing) void discardEpisode();
}

/** Carries out an episode's actions on the layout it was recorded on, or on the one that is there. */
export async function replayOnTable(
  actions: readonly (readonly number[])[],
  scene: TableLayout | null,
): ReturnType<typeof replay> {
  stopTableRecording();
  const { table } = usePracticeStore.getState();
  const { task, seed, robot } = scene ?? table ?? { task: 'plate', seed: randomSeed(), robot: 'gripper' };
  return replay(actions, { task, seed, robot });
}
