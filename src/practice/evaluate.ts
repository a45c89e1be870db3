/** Closed-loop evaluation: a policy at work on the table, episode after episode. */
import type { FrameImage } from '../episodes/dataset.ts';
import { SuccessJudge } from './rollout.ts';
import type { PracticeTable } from './table.ts';
import type { Assignment } from './tasks.ts';

export interface PolicyObservation {
  /** Main and wrist camera. */
  readonly frames: readonly FrameImage[];
  readonly instruction: string;
  /** LIBERO's proprio [8]. */
  readonly state: readonly number[];
}

/** Real actions [chunk][7]. */
export type Predict = (observation: PolicyObservation) => Promise<readonly (readonly number[])[]>;

export interface EpisodeOptions {
  readonly predict: Predict;
  readonly observe: (table: PracticeTable) => Promise<readonly FrameImage[]>;
  /** Actions executed of each chunk before the next prediction; default `EXECUTED`. */
  readonly execute?: number;
  readonly maxSteps?: number;
  /** Given to the policy in place of the assignment's, for ablations. */
  readonly instruction?: string;
}

export interface EpisodeResult {
  readonly success: boolean;
  readonly steps: number;
  readonly predictions: number;
}

/** Half a chunk: what was not foreseen is seen half a second later, for twice the predictions. */
export const EXECUTED = 4;

/** About three times what the expert needs for the longest task. */
export const MAX_STEPS = 80;

/** Runs one episode on a fresh table, until it succeeds or time is up. */
export async function runEpisode(
  table: PracticeTable,
  assignment: Assignment,
  options: EpisodeOptions,
): Promise<EpisodeResult> {
  const { predict, observe, execute = EXECUTED, maxSteps = MAX_STEPS } = options;
  const judge = new SuccessJudge(assignment.goal);
  let predictions = 0;
  for (let step = 0; step < maxSteps;) {
    const chunk = await predict({
      frames: await observe(table),
      instruction: options.instruction ?? assignment.instruction,
      state: table.state(),
    });
    predictions++;
    for (const action of chunk.slice(0, execute)) {
      table.step(action);
      step++;
      if (judge.after(table)) return { success: true, steps: step, predictions };
      if (step >= maxSteps) break;
    }
  }
  return { success: false, steps: maxSteps, predictions };
}
