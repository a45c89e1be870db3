import { ModelError } from '../../base/errors.ts';
import type { Goal } from '../../practice/goal.ts';
import { SuccessJudge } from '../../practice/rollout.ts';
import type { FrameImage } from '../../episodes/dataset.ts';
import { TableRobot } from '../../practice/table-robot.ts';
import { openWorld, type AnyWorld } from '../../practice/open-world.ts';
import type { Mujoco } from '../../practice/physics.ts';
import { canonicalInstruction, goalOf, type Assignment, type Scene } from '../../practice/tasks.ts';
import { GuardedRobot } from '../../robot/guarded-robot.ts';

/** What lies on the table, what is asked there, and whether its physics still hold. */
export class LaidTable {
  readonly scene: Scene;
  readonly #table: AnyWorld;
  readonly #robot: GuardedRobot;
  #instruction = '';
  /** What the instruction asks for; null where nothing can judge it. */
  #goal: Goal | null = null;
  #judge: SuccessJudge | null = null;
  #broken: ModelError | null = null;

  /**
   * @param see draws what the robot's cameras see of it
   * @param now milliseconds
   */
  constructor(
    {
      mujoco,
      see,
      now,
    }: { mujoco: Mujoco; see: (table: AnyWorld) => Promise<FrameImage[]>; now: () => number },
    scene: Scene,
    { layout, instruction }: Assignment,
  ) {
    this.#table = openWorld(scene.robot, mujoco, layout);
    this.#robot = new GuardedRobot(new TableRobot(this.#table, () => see(this.table), now), now);
    this.scene = scene;
    this.instruct(instruction);
  }

  /** @throws ModelError `diverged` once its physics became unstable: it is not stepped any more, and has to be laid anew */
  get table(): AnyWorld {
    this.check();
    return this.#table;
  }

  /** The robot at it, behind its guard. @throws ModelError as `table` */
  get robot(): GuardedRobot {
    this.check();
    return this.#robot;
  }

  /** @throws ModelError as `table` */
  check(): void {
    if (this.#broken) throw this.#broken;
  }

  /** To be looked at, whatever became of it. */
  get remains(): AnyWorld {
    return this.#table;
  }

  get broken(): boolean {
    return this.#broken !== null;
  }

  get instruction(): string {
    return this.#instruction;
  }

  get goal(): Goal | null {
    return this.#goal;
  }

  get judge(): SuccessJudge | null {
    return this.#judge;
  }

  /** @returns whether its success can be judged */
  instruct(instruction: string): boolean {
    const { table } = this;
    const found = goalOf(instruction);
    const possible =
      found !== null &&
      table.has(found.goal.target) &&
      (!('destination' in found.goal) || table.has(found.goal.destination));
    this.#instruction = canonicalInstruction(instruction);
    this.#goal = possible ? found.goal : null;
    this.#judge = this.#goal && new SuccessJudge(this.#goal);
    return possible;
  }

  /** Moves it. @throws ModelError what that fails with */
  move<T>(step: (table: AnyWorld) => T): T {
    try {
      return step(this.table);
    } catch (error) {
      const known =
        error instanceof ModelError
          ? error
          : new ModelError('diverged', `The practice table failed: ${String(error)}`, 'Reset the table.', {
              cause: error,
            });
      if (known.code === 'diverged') this.#broken = known;
      throw known;
    }
  }

  dispose(): void {
    this.#robot.close();
  }
}
