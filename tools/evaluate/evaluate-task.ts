/** Many episodes of one task in Node. */
import { runEpisode, type Predict } from '../../src/practice/evaluate.ts';
import { successRate, type SuccessRate } from '../../src/practice/success-rate.ts';
import { openWorld } from '../../src/practice/open-world.ts';
import type { Mujoco } from '../../src/practice/physics.ts';
import { assignmentFor, type Task } from '../../src/practice/tasks.ts';
import { PLAIN } from '../../src/practice/view.ts';
import type { RobotName } from '../../src/practice/world.ts';
import type { NodeCameras } from '../practice/node-cameras.ts';
import { ablated, type Ablation } from './ablation.ts';

export interface TaskResult {
  readonly rate: SuccessRate;
  /** Mean of the successful episodes; null without any. */
  readonly steps: number | null;
  /** Seeds. */
  readonly failed: readonly number[];
}

export async function evaluateTask(
  task: Task,
  episodes: number,
  firstSeed: number,
  options: {
    readonly mujoco: Mujoco;
    readonly cameras: NodeCameras;
    readonly predict: Predict;
    /** Who does it; default the table's own. */
    readonly robot?: RobotName;
    /** Actions carried out of each chunk; default as in the page. */
    readonly execute?: number;
    readonly ablation?: Ablation;
    /** Periods that a prediction takes while the robot goes on; default none. */
    readonly latency?: number;
  },
): Promise<TaskResult> {
  const { mujoco, cameras, predict, robot = 'gripper', execute, ablation = 'none', latency = 0 } = options;
  cameras.view.setAppearance(PLAIN);
  const failed: number[] = [];
  let steps = 0;
  for (let seed = firstSeed; seed < firstSeed + episodes; seed++) {
    const assignment = assignmentFor(task, seed, robot);
    const table = openWorld(robot, mujoco, assignment.layout);
    const result = await runEpisode(table, assignment, {
      ...(execute === undefined ? {} : { execute }),
      latency,
      ...ablated(ablation, assignment, {
        predict,
        observe: async (world) => {
          cameras.view.sync(world);
          return cameras.cameras.observe(cameras.view);
        },
      }),
    });
    table.dispose();
    if (result.success) steps += result.steps;
    else failed.push(seed);
  }
  const successes = episodes - failed.length;
  return { rate: successRate(successes, episodes), steps: successes > 0 ? steps / successes : null, failed };
}
