/** How long episodes are, in actions, and how much of a chunk is carried out. */
import type { RobotName } from './world.ts';

interface EpisodeLength {
  /** Actions carried out of each chunk before the next prediction: half of it; what was not foreseen is seen then, for twice the predictions. */
  readonly executed: number;
  /** An episode is given up then: about three times what the expert needs for the longest task. */
  readonly most: number;
  /** A disturbed demonstration is given up then. */
  readonly demonstrated: number;
}

export const EPISODES: Readonly<Record<RobotName, EpisodeLength>> = {
  gripper: { executed: 4, most: 80, demonstrated: 120 },
  so101: { executed: 8, most: 240, demonstrated: 360 },
};
