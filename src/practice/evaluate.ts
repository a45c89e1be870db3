/** Closed-loop evaluation: a policy at work on the table, episode after episode. */
import type { FrameImage } from '../episodes/dataset.ts';
import { Drive } from '../robot/drive.ts';
import { GuardedRobot } from '../robot/guarded-robot.ts';
import { runLoop } from '../robot/loop.ts';
import { steppedTime } from '../robot/stepped.ts';
import { SuccessJudge } from './rollout.ts';
import { TableRobot } from './table-robot.ts';
import { EPISODES } from './episode-length.ts';
import type { AnyWorld } from './open-world.ts';
import type { Assignment } from './tasks.ts';
import { advancePeriod } from './world.ts';

export interface PolicyObservation {
  /** Main and wrist camera. */
  readonly frames: readonly FrameImage[];
  readonly instruction: string;
  /** In the units of the robot's profile. */
  readonly state: readonly number[];
}

/** Actions [chunk][dim] in the robot's units. */
export type Predict = (observation: PolicyObservation) => Promise<readonly (readonly number[])[]>;

export interface EpisodeOptions {
  readonly predict: Predict;
  readonly observe: (table: AnyWorld) => Promise<readonly FrameImage[]>;
  /** Actions executed of each chunk before the next prediction; default as in the page. */
  readonly execute?: number;
  readonly maxSteps?: number;
  /** Periods that a prediction takes, while the robot goes on: 0 for a world that waits (default). */
  readonly latency?: number;
  /** Given to the policy in place of the assignment's, for ablations. */
  readonly instruction?: string;
}

export interface EpisodeResult {
  readonly success: boolean;
  readonly steps: number;
  readonly predictions: number;
}

/** Runs one episode on a fresh table, until it succeeds or time is up. */
export async function runEpisode(
  table: AnyWorld,
  assignment: Assignment,
  options: EpisodeOptions,
): Promise<EpisodeResult> {
  const { executed, most } = EPISODES[table.robot];
  const { predict, observe, execute = executed, maxSteps = most, latency = 0 } = options;
  const instruction = options.instruction ?? assignment.instruction;
  const judge = new SuccessJudge(assignment.goal);
  let predictions = 0;
  const bare = new TableRobot(
    table,
    async () => [...(await observe(table))],
    () => time.now(),
  );
  const robot = new GuardedRobot(bare, () => time.now());
  const drive = new Drive(robot, { judge: () => judge.after(table), most: maxSteps });
  const time = steppedTime(drive, robot.periodMs, () => advancePeriod(table));
  await runLoop(robot, drive, {
    predict: async ({ images, state }) => {
      const chunk = await predict({ frames: images, instruction, state: state! });
      predictions++;
      // Meanwhile the robot goes on with what it was told before.
      if (latency > 0 && predictions > 1) await time.carry(Math.min(maxSteps, drive.carried + latency));
      return chunk;
    },
    settings: () => ({ execute, ensembling: false, ahead: latency > 0 }),
    ...time,
  });
  return { success: drive.ended === 'reached', steps: drive.steps, predictions };
}
