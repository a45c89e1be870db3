/** The one loop: observe, predict, carry out k of K actions, again, on whatever robot. */
import { ModelError } from '../base/errors.ts';
import type { Drive } from './drive.ts';
import type { GuardedRobot } from './guarded-robot.ts';
import type { RobotObservation } from './robot.ts';

export interface LoopSettings {
  /** Actions carried out of each chunk before the next prediction. */
  readonly execute: number;
  /** Predicts after every action, and blends what overlapping chunks say about it. */
  readonly ensembling: boolean;
  /** The next chunk is predicted while this one is carried out. */
  readonly ahead: boolean;
}

interface LoopOptions {
  /** Actions [chunk][dim] in the robot's units. */
  readonly predict: (observation: RobotObservation) => Promise<readonly (readonly number[])[]>;
  /** Asked before each chunk. */
  readonly settings: () => LoopSettings;
  /** Milliseconds of the clock by which the robot is driven. */
  readonly now: () => number;
  /** Lets time go by until so many actions were carried out; default: waits for it. */
  readonly carry?: (step: number) => Promise<void>;
}

/**
 * Until the drive is over.
 * @throws what observing, predicting or driving fails with; the robot has been halted then
 */
export async function runLoop(robot: GuardedRobot, drive: Drive, options: LoopOptions): Promise<void> {
  const { predict, settings, now, carry = (step) => drive.until(step) } = options;
  try {
    while (!drive.ended) {
      const asked = now();
      const at = drive.carried;
      // What hangs must not keep a stopped run from ending.
      const actions = await Promise.race([robot.observe().then(predict), drive.over.then(() => null)]);
      if (!actions || drive.ended) break;
      if (actions.length === 0)
        throw new ModelError('bad-input', 'The policy answered without a single action.');
      for (const action of actions) robot.require(action);
      const { execute, ensembling, ahead } = settings();
      const most = ensembling ? 1 : Math.max(1, Math.min(execute, actions.length));
      drive.follow({ at, actions }, { ensembling, until: at + (ahead ? actions.length : most) });
      if (ahead) {
        const lead = Math.ceil((now() - asked) / robot.periodMs);
        // Some of it is carried out in any case: else nothing would.
        await carry(Math.max(at + most - lead, drive.carried + 1));
      } else await carry(at + most);
    }
    await drive.over;
  } catch (error) {
    drive.halt();
    throw error;
  }
}
