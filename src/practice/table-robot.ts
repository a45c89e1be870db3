/** A simulated robot as what the loop takes. */
import type { FrameImage } from '../episodes/dataset.ts';
import type { Command } from '../robot/guard.ts';
import type { Robot, RobotObservation } from '../robot/robot.ts';
import type { World } from './world.ts';

export class TableRobot implements Robot {
  readonly #world: World;
  readonly #see: () => Promise<FrameImage[]>;
  readonly #now: () => number;

  /**
   * @param see draws what its cameras see now
   * @param now milliseconds
   */
  constructor(world: World, see: () => Promise<FrameImage[]>, now: () => number) {
    this.#world = world;
    this.#see = see;
    this.#now = now;
  }

  get profile(): Robot['profile'] {
    return this.#world.profile;
  }

  get limits(): Robot['limits'] {
    return this.#world.limits;
  }

  async observe(): Promise<RobotObservation> {
    // Of one moment: the world goes on while pictures are being read.
    const atMs = this.#now();
    const state = this.#world.state();
    return { atMs, state, images: await this.#see() };
  }

  standing(): readonly number[] {
    return this.#world.standing();
  }

  execute({ values }: Command): void {
    this.#world.begin(values);
  }

  halt(): void {
    this.#world.stay();
  }

  close(): void {
    this.#world.dispose();
  }
}
