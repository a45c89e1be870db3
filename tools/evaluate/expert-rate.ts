/** How often the scripted expert manages a task, without pictures. */
import { EPISODES } from '../../src/practice/episode-length.ts';
import { expertAction } from '../../src/practice/expert.ts';
import { openWorld } from '../../src/practice/open-world.ts';
import { SuccessJudge } from '../../src/practice/rollout.ts';
import { successRate } from '../../src/practice/success-rate.ts';
import type { Mujoco } from '../../src/practice/physics.ts';
import { assignmentFor, type Task } from '../../src/practice/tasks.ts';
import { stepWorld, type RobotName } from '../../src/practice/world.ts';
import type { TaskResult } from './evaluate-task.ts';

export function expertRate(
  mujoco: Mujoco,
  robot: RobotName,
  task: Task,
  episodes: number,
  firstSeed: number,
): TaskResult {
  const { most } = EPISODES[robot];
  const failed: number[] = [];
  let total = 0;
  for (let seed = firstSeed; seed < firstSeed + episodes; seed++) {
    const { goal, layout } = assignmentFor(task, seed, robot);
    const world = openWorld(robot, mujoco, layout);
    const judge = new SuccessJudge(goal);
    let steps = 0;
    let done = false;
    for (; steps < most && !done; steps++) {
      stepWorld(world, expertAction(world, goal));
      done = judge.after(world);
    }
    world.dispose();
    if (done) total += steps;
    else failed.push(seed);
  }
  const successes = episodes - failed.length;
  return { rate: successRate(successes, episodes), steps: successes > 0 ? total / successes : null, failed };
}
